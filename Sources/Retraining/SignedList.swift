internal import Digest
internal import FoundationEssentials
internal import ModelStore

/// A list of files with their lengths and digests that somebody with a key has signed.
///
/// The file is JSON: `{"format": 1, "sequence": 7, "created": "2026-11-26T03:00:00Z", "expires":
/// "2026-12-03T03:00:00Z", "files": [{"path": "train.csv.gz", "size": 1234, "sha256": "…"}]}`. The
/// signature is the 64 bytes of Ed25519 over ``preamble`` and the file's bytes. Lengths and digests
/// are of the files as they come over the wire.
struct SignedList: Sendable, Equatable {
    /// Grows with each list, so that an old one cannot be passed off as new.
    let sequence: Int
    /// From when on it is not believed any more, so that nobody can hold back what is newer.
    let expires: Date
    /// The files by name.
    let files: [String: File]
    /// The digest of the list's own bytes.
    let digest: String

    struct File: Sendable, Equatable {
        let bytes: Int
        let sha256: Digest256
    }

    /// Goes before the list's bytes, so that no other signature can be taken for one of a list.
    static let preamble = Array("leeway-manifest-v1\n".utf8)
    static let bytesMax = 1 << 20
    private static let filesMax = 10_000

    /// Reads a list and refuses one that nobody with one of the keys has signed.
    ///
    /// - Throws: ``RetrainingError/data(role:reason:code:)``.
    init(
        _ bytes: [UInt8],
        signature: [UInt8],
        keys: [Ed25519PublicKey]
    ) throws(RetrainingError) {
        guard try Self.isSigned(bytes, signature, keys) else {
            throw Self.refusal("none of the \(keys.count) keys has signed it", "signature_wrong")
        }
        let form: Form
        do {
            form = try StoreJSON.decode(Form.self, from: bytes, path: "manifest")
            digest = try SHA256Digest.of(bytes).hex
        } catch {
            throw Self.refusal("it is not of the form that is expected: \(error)", "list_malformed")
        }
        guard form.format == 1, form.sequence >= 0, form.files.count <= Self.filesMax else {
            throw Self.refusal(
                "expected format 1, a sequence from 0 on and at most \(Self.filesMax) files",
                "list_malformed"
            )
        }
        sequence = form.sequence
        expires = form.expires
        var files: [String: File] = [:]
        for entry in form.files {
            let isPlain =
                !entry.path.isEmpty && !entry.path.hasPrefix(".") && !entry.path.contains("/")
                && entry.path.utf8.count <= 255
            guard isPlain, entry.size >= 0, let sha256 = try? Digest256(hex: entry.sha256),
                files.updateValue(File(bytes: entry.size, sha256: sha256), forKey: entry.path)
                    == nil
            else {
                let name = entry.path.prefix(80)
                throw Self.refusal("the entry of \"\(name)\" cannot be right", "list_malformed")
            }
        }
        self.files = files
    }

    private struct Form: Decodable {
        struct Entry: Decodable {
            let path: String
            let size: Int
            let sha256: String
        }
        let format: Int
        let sequence: Int
        let expires: Date
        let files: [Entry]
    }

    private static func isSigned(
        _ bytes: [UInt8],
        _ signature: [UInt8],
        _ keys: [Ed25519PublicKey]
    ) throws(RetrainingError) -> Bool {
        let message = preamble + bytes
        do {
            for key in keys
            where try key.verify(signature: signature.span, message: message.span) {
                return true
            }
            return false
        } catch {
            throw refusal("\(error)", "signature_wrong")
        }
    }

    /// Refuses a list that is older than one that was believed before, or that has ended.
    ///
    /// - Parameters:
    ///   - last: What was believed last.
    ///   - now: The time.
    /// - Throws: ``RetrainingError/data(role:reason:code:)``.
    func check(against last: Believed?, now: Date) throws(RetrainingError) {
        guard expires > now else {
            throw Self.refusal("it ended at \(expires): a newer one is held back", "list_expired")
        }
        guard let last else { return }
        guard sequence > last.sequence || (sequence == last.sequence && digest == last.sha256)
        else {
            throw Self.refusal(
                "its sequence is \(sequence), after one with \(last.sequence) was believed",
                "list_rolled_back"
            )
        }
    }

    /// What is remembered of the list that was believed last.
    struct Believed: Codable, Sendable, Equatable {
        let sequence: Int
        let sha256: String
    }

    var believed: Believed { Believed(sequence: sequence, sha256: digest) }

    static func refusal(_ reason: String, _ code: String) -> RetrainingError {
        .data(role: "manifest", reason: "the signed list of files: \(reason)", code: code)
    }
}

/// Reads Ed25519 public keys as OpenSSL writes them.
enum PublicKeyFile {
    /// What comes before the 32 bytes of the key (RFC 8410 §4).
    private static let prefix: [UInt8] = [
        0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00,
    ]

    /// The key in a PEM text.
    ///
    /// - Throws: ``RetrainingError/data(role:reason:code:)`` naming the file.
    static func read(_ text: [UInt8], path: String) throws(RetrainingError) -> Ed25519PublicKey {
        let lines = String(decoding: text, as: UTF8.self).split(whereSeparator: \.isNewline)
            .map { $0.filter { !$0.isWhitespace } }
        guard lines.first == "-----BEGINPUBLICKEY-----", lines.last == "-----ENDPUBLICKEY-----",
            let bytes = Data(base64Encoded: lines.dropFirst().dropLast().joined()),
            bytes.count == prefix.count + Ed25519PublicKey.byteCount, bytes.starts(with: prefix),
            let key = try? Ed25519PublicKey(bytes: Array(bytes.dropFirst(prefix.count)))
        else {
            throw SignedList.refusal("\(path) is no Ed25519 public key in PEM", "key_unreadable")
        }
        return key
    }
}
