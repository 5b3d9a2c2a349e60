internal import Digest
internal import HTTPTransport
internal import NIOCore
package import Telemetry

/// Whoever has shown a credential, with its limit and its counters.
package final class AccessIdentity: Sendable {
    /// The name in metrics, logs and the journal.
    package let name: String
    let scopes: Set<Endpoint.Scope>
    let limiter: RateLimiter?
    let allowed: Counter
    let forbidden: Counter
    let limited: Counter
    private let rate: Double?
    private let burst: Double?

    init(
        name: String,
        scopes: Set<Endpoint.Scope>,
        rate: Double?,
        burst: Double?,
        _ metrics: AccessMetrics,
        before: AccessIdentity?
    ) {
        self.name = name
        self.scopes = scopes
        self.rate = rate
        self.burst = burst
        // A reload fills nobody's bucket.
        if let before, before.rate == rate, before.burst == burst {
            limiter = before.limiter
        } else {
            limiter = rate.map { RateLimiter(rate: $0, burst: burst ?? max(1, $0)) }
        }
        allowed = metrics.requests.series([name, "allowed"])
        forbidden = metrics.requests.series([name, "forbidden"])
        limited = metrics.requests.series([name, "limited"])
    }
}

/// What is counted of credentials.
package struct AccessMetrics: Sendable {
    let requests: CounterFamily
    /// Requests without a credential, or with one that nobody has.
    let anonymous: (missing: Counter, unknown: Counter)

    /// Declares the family.
    ///
    /// - Throws: `TelemetryError` when the name is taken.
    package init(_ registry: MetricRegistry) throws {
        requests = try registry.counter(
            "leeway_access_requests_total",
            help: "Requests to listeners that ask for a credential, by caller and decision; "
                + "caller is none for those without a valid one.",
            labels: ["caller", "result"],
            seriesMax: 3 * AccessFile.callersMax + 16
        )
        anonymous = (requests.series(["none", "missing"]), requests.series(["none", "unknown"]))
    }

    func forget(_ name: String) {
        for result in ["allowed", "forbidden", "limited"] { requests.remove([name, result]) }
    }
}

/// Who may ask a listener for what; one immutable value for all of its event loops.
package struct AccessRules: Sendable {
    private let keys: [Key]
    private let certificates: [String: AccessIdentity]
    /// All who may ask for anything.
    let identities: [AccessIdentity]
    /// Whether a certificate is a credential; then a key does in its place.
    var takesCertificates: Bool { !certificates.isEmpty }
    /// Whether everybody may ask for everything.
    package var isOpen: Bool { identities.isEmpty }

    private struct Key: Sendable {
        let digest: [UInt8]
        let identity: AccessIdentity
    }

    /// Everybody may ask for everything.
    package static let open = AccessRules(keys: [], certificates: [:], identities: [])

    /// Whose credentials are in the access file, and who has the listener's token.
    init(
        _ file: AccessFile?,
        token: Digest256?,
        identity: (AccessFile.Caller) -> AccessIdentity,
        tokenIdentity: () -> AccessIdentity
    ) {
        var (keys, certificates, identities): ([Key], [String: AccessIdentity], [AccessIdentity]) =
            ([], [:], [])
        if let token {
            let identity = tokenIdentity()
            keys.append(Key(digest: token.bytes, identity: identity))
            identities.append(identity)
        }
        for caller in file?.callers ?? [] {
            let identity = identity(caller)
            identities.append(identity)
            keys += caller.digests.map { Key(digest: $0.bytes, identity: identity) }
            for name in caller.certificateNames { certificates[name] = identity }
        }
        self.init(keys: keys, certificates: certificates, identities: identities)
    }

    private init(
        keys: [Key],
        certificates: [String: AccessIdentity],
        identities: [AccessIdentity]
    ) {
        self.keys = keys
        self.certificates = certificates
        self.identities = identities
    }

    /// What a request shows.
    enum Shown {
        /// Nothing.
        case nothing
        /// A key that nobody has.
        case unknown
        /// What somebody has.
        case identities(key: AccessIdentity?, certificate: AccessIdentity?)
    }

    /// Finds out who asks.
    func shown(by request: HTTPRequest) -> Shown {
        let key: AccessIdentity?
        switch shownKey(request.head) {
        case .none: key = nil
        case .some(.none): return .unknown
        case .some(.some(let identity)): key = identity
        }
        var certificate: AccessIdentity?
        if !certificates.isEmpty {
            for name in request.connection.clientNames {
                certificate = certificate ?? certificates[name]
            }
        }
        guard key != nil || certificate != nil else { return .nothing }
        return .identities(key: key, certificate: certificate)
    }

    /// Whose key a head shows: nil when it shows none, `.some(nil)` when it is nobody's.
    ///
    /// `Authorization: Bearer KEY` (RFC 6750 §2.1) stands over `X-API-Key: KEY`.
    private func shownKey(_ head: HTTPRequestHead) -> AccessIdentity?? {
        let (bearers, plain) = (head.count(of: "authorization"), head.count(of: "x-api-key"))
        guard bearers <= 1, plain <= 1 else { return .some(nil) }
        let scheme = Self.scheme
        let bearer: AccessIdentity?? = head.withValue(of: "authorization") { value in
            guard value.count > scheme.count else { return nil }
            for index in scheme.indices where value[index] | 0x20 != scheme[index] { return nil }
            return .some(owner(of: value.extracting(scheme.count..<value.count)))
        }
        if let bearer { return bearer }
        guard plain == 1 else { return nil }
        return .some(head.withValue(of: "x-api-key") { owner(of: $0) })
    }

    /// Whose key it is; every key is compared with, in constant time.
    private func owner(of key: Span<UInt8>) -> AccessIdentity? {
        guard key.count <= Self.keyBytesMax, let digest = try? SHA256Digest.of(key) else {
            return nil
        }
        let bytes = digest.bytes
        var owner: AccessIdentity?
        for known in keys where constantTimeEquals(known.digest.span, bytes.span) {
            owner = known.identity
        }
        return owner
    }

    private static let keyBytesMax = 4096
    private static let scheme = Array("bearer ".utf8)
}

/// Decides on requests of one event loop.
package final class AccessGate {
    private(set) var rules = AccessRules.open
    private let metrics: AccessMetrics
    private let shard: Int

    init(_ metrics: AccessMetrics, shard: Int) {
        self.metrics = metrics
        self.shard = shard
    }

    func use(_ rules: AccessRules) { self.rules = rules }

    /// Why a request gets nothing; nil when it may be answered.
    ///
    /// A certificate is asked for on the connection and judged here, so that health is told to
    /// those who have none.
    ///
    /// - Parameters:
    ///   - request: The request's head.
    ///   - scope: What is asked for; nil where nothing is served, but not told to everybody.
    ///   - gate: Nil lets everybody in who has the certificate that is demanded.
    /// - Returns: The reason.
    static func refusal(
        of request: HTTPRequest,
        _ scope: Endpoint.Scope?,
        by gate: AccessGate?
    ) -> PredictionFailure? {
        do throws(PredictionFailure) {
            switch request.connection.certificateVerdict {
            case .notAllowed: throw .certificateNotAllowed
            case .missing where gate?.rules.takesCertificates != true: throw .certificateMissing
            case .missing, .granted: try gate?.check(request, scope)
            }
            return nil
        } catch {
            return error
        }
    }

    private func check(
        _ request: HTTPRequest,
        _ scope: Endpoint.Scope?
    ) throws(PredictionFailure) {
        if rules.isOpen { return }
        switch rules.shown(by: request) {
        case .nothing:
            metrics.anonymous.missing.increment(shard: shard)
            throw .unauthorized
        case .unknown:
            metrics.anonymous.unknown.increment(shard: shard)
            throw .keyUnknown
        case .identities(let key, let certificate):
            guard let scope else { return }
            for case .some(let identity) in [key, certificate] where identity.scopes.contains(scope)
            {
                return try limit(identity)
            }
            (key ?? certificate)?.forbidden.increment(shard: shard)
            throw .forbidden(scope)
        }
    }

    /// Whose credential a request shows; nil where none is asked for.
    func name(of request: HTTPRequest) -> String? {
        guard !rules.isOpen, case .identities(let key, let certificate) = rules.shown(by: request)
        else { return nil }
        return (key ?? certificate)?.name
    }

    private func limit(_ identity: AccessIdentity) throws(PredictionFailure) {
        guard let limiter = identity.limiter,
            let wait = limiter.take(now: NIODeadline.now().uptimeNanoseconds)
        else { return identity.allowed.increment(shard: shard) }
        identity.limited.increment(shard: shard)
        throw .tooMany(caller: identity.name, seconds: Int(wait / 1_000_000_000) + 1)
    }
}
