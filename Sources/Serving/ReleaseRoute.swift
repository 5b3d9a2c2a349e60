internal import HTTPTransport
internal import ModelStore
internal import NIOCore
internal import Telemetry

/// How one event loop shares a model's requests out between the stable version and a candidate.
///
/// The choice is made once, when a request is complete and before its body is read, by numbers that
/// are the same on every loop and every replica: a client that is named gets the same version as
/// long as the stage lasts. Only models with a candidate have one.
final class ReleaseRoute {
    /// The candidate, with this loop's buffers.
    let candidate: ServedModel
    /// How labels of its rows are understood; nil where labels find nothing.
    let labelled: LabelledModel?
    /// Whether it answers anybody.
    let isCanary: Bool
    /// The share of requests of which it computes a row unseen.
    let shadowShare: Double
    /// Of all 2^32 hashes, so many go to the candidate.
    private let threshold: UInt64
    private let salt: UInt64
    private let stickyField: [UInt8]

    /// The field by which a client says which version is to answer: `canary` or `stable`.
    static let fieldName: StaticString = "leeway-release"

    init(
        _ candidate: ServedModel,
        _ labelled: LabelledModel?,
        stage: StagedRelease.Stage,
        _ settings: StagingSettings
    ) {
        self.candidate = candidate
        self.labelled = labelled
        isCanary = stage == .canary
        shadowShare = isCanary ? 0 : settings.shadowShare
        threshold = UInt64(min(max(settings.canaryShare, 0), 1) * 4_294_967_296)
        // Another release begins with other clients.
        salt = UInt64(truncatingIfNeeded: candidate.model.version) &* 0x9E37_79B9_7F4A_7C15
        stickyField = Array(settings.stickyField.utf8)
    }

    /// Who answers a request that names no version.
    func choose(_ request: HTTPRequest, stable: ServedModel) -> ServedModel {
        guard isCanary else { return stable }
        let head = request.head
        if head.field(Self.fieldName, is: "canary") { return candidate }
        if head.field(Self.fieldName, is: "stable") { return stable }
        return Self.hash(request, stickyField, salt) >> 32 < threshold ? candidate : stable
    }

    /// The hash of who asks: the value of the sticky field, else the key that is shown, else the
    /// request's identifier.
    static func hash(_ request: HTTPRequest, _ stickyField: [UInt8], _ salt: UInt64) -> UInt64 {
        let head = request.head
        if !stickyField.isEmpty,
            let hash = head.withValue(
                ofField: stickyField.span,
                { value in
                    value.isEmpty ? nil : hash(value, salt)
                }
            )
        {
            return hash
        }
        if let hash = head.withValue(
            of: "authorization",
            { value in
                value.isEmpty ? nil : hash(value, salt)
            }
        ) {
            return hash
        }
        if let hash = head.withValue(
            of: "x-api-key",
            { value in
                value.isEmpty ? nil : hash(value, salt)
            }
        ) {
            return hash
        }
        switch request.name {
        case .made(let identifier): return mixed(identifier.high ^ identifier.low ^ salt)
        case .given(let bytes): return hash(bytes.readableBytesUInt8Span, salt)
        }
    }

    /// FNV-1a, finished by splitmix64: the same on every machine.
    private static func hash(_ bytes: Span<UInt8>, _ salt: UInt64) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325 ^ salt
        for index in bytes.indices {
            hash = (hash ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01B3
        }
        return mixed(hash)
    }

    private static func mixed(_ number: UInt64) -> UInt64 {
        var word = number &+ 0x9E37_79B9_7F4A_7C15
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}
