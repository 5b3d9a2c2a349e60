internal import Files

/// What a source wants besides its URL; none of it is ever sent to where the source redirects.
package struct SourceAccess: Sendable, Equatable {
    /// What proves to the server who we are; nil for nothing.
    package var secret: SourceSecret?
    /// Digests of public keys (`sha256//` and base64, as curl writes them), of which the server
    /// must have one; empty for any key whose certificate verifies.
    package var pinnedKeys: [String]
    /// Whether its name may lead to this machine or to a network of our own; an address in the URL
    /// may in any case.
    package var allowsPrivate: Bool

    /// Nothing but the URL, unless more is said.
    package init(
        secret: SourceSecret? = nil,
        pinnedKeys: [String] = [],
        allowsPrivate: Bool = false
    ) {
        self.secret = secret
        self.pinnedKeys = pinnedKeys
        self.allowsPrivate = allowsPrivate
    }
}

/// A secret that is in a file, read anew for each attempt, so that it can be replaced at any time.
package enum SourceSecret: Sendable, Equatable {
    /// `Authorization: Bearer`, with the file's text.
    case bearer(file: String)
    /// `Authorization: Basic`; the file holds `name:password`.
    case basic(file: String)
    /// A header of this name, with the file's text, such as `X-API-Key`.
    case header(name: String, file: String)
    /// Signed as AWS S3 demands it (Signature Version 4), for keys of plain characters.
    ///
    /// The file is as AWS' tools write it: `aws_access_key_id = …`, `aws_secret_access_key = …`
    /// and, of temporary credentials, `aws_session_token = …`.
    case s3(region: String, file: String)

    /// Where the secret is.
    package var file: String {
        switch self {
        case .bearer(let file), .basic(let file), .header(_, let file), .s3(_, let file): file
        }
    }
}

/// What an attempt adds to its first request, and to no other.
struct RequestCredentials: Sendable {
    /// Header lines.
    var headers: [String] = []
    /// `name:password`, or S3's key and secret.
    var userPassword: String?
    /// What libcurl signs with, as it wants it said; nil for no signature.
    var signature: String?
    /// See ``SourceAccess/pinnedKeys``, joined as libcurl wants them.
    var pinnedKeys: String?

    /// Whether there is nothing that a redirect could carry away.
    var isEmpty: Bool { headers.isEmpty && userPassword == nil && pinnedKeys == nil }
    /// Whether another place can give the file at all: one that is pinned or signed for cannot.
    var bindsToHost: Bool { pinnedKeys != nil || signature != nil }

    /// None: what goes to where a source redirects.
    init() {}

    /// Reads what the access says.
    ///
    /// - Throws: ``TransferError/secretUnreadable(file:reason:)``, and
    ///   ``TransferError/invalidURL(url:reason:)`` for a key that cannot be signed.
    init(_ access: SourceAccess, url: TransferURL) throws(TransferError) {
        if url.scheme == .file { return }
        if !access.pinnedKeys.isEmpty { pinnedKeys = access.pinnedKeys.joined(separator: ";") }
        switch access.secret {
        case nil: break
        case .bearer(let file):
            headers = ["Authorization: Bearer \(try SecretFile.line(file))"]
        case .header(let name, let file):
            headers = ["\(name): \(try SecretFile.line(file))"]
        case .basic(let file):
            let line = try SecretFile.line(file)
            guard line.contains(":") else {
                throw .secretUnreadable(file: file, reason: "expected name:password")
            }
            userPassword = line
        case .s3(let region, let file):
            try sign(region, file, url)
        }
    }

    private mutating func sign(
        _ region: String,
        _ file: String,
        _ url: TransferURL
    ) throws(TransferError) {
        // libcurl signs other paths wrongly up to 8.15: see CURLOPT_AWS_SIGV4's history.
        guard url.isPlainKey else {
            throw .invalidURL(
                url: url.redacted,
                reason: "only keys of letters, digits and ._~-/ without a query can be signed"
            )
        }
        let credentials = try SecretFile.awsCredentials(file)
        userPassword = "\(credentials.key):\(credentials.secret)"
        signature = "aws:amz:\(region):s3"
        // The digest of an empty body, which S3 wants and this libcurl leaves out.
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        headers = ["x-amz-content-sha256: \(digest)"]
        if let token = credentials.token { headers.append("x-amz-security-token: \(token)") }
    }
}

/// Reads files that hold secrets; no error shows what is in them.
enum SecretFile {
    /// Most bytes of such a file.
    private static let bytesMax = 16_384

    /// The only line of a file.
    ///
    /// - Throws: ``TransferError/secretUnreadable(file:reason:)``.
    static func line(_ file: String) throws(TransferError) -> String {
        let lines = try lines(file)
        guard let line = lines.first, lines.count == 1 else {
            throw .secretUnreadable(file: file, reason: "expected one line of text")
        }
        return line
    }

    /// The first credentials of a file in the form of AWS' tools.
    ///
    /// - Throws: ``TransferError/secretUnreadable(file:reason:)``.
    static func awsCredentials(
        _ file: String
    ) throws(TransferError) -> (key: String, secret: String, token: String?) {
        var found: [String: String] = [:]
        for line in try lines(file) {
            let parts = line.split(separator: "=", maxSplits: 1).map { trimmed($0) }
            guard parts.count == 2, found[parts[0]] == nil else { continue }
            found[parts[0]] = parts[1]
        }
        guard let key = found["aws_access_key_id"], let secret = found["aws_secret_access_key"],
            !key.isEmpty, !secret.isEmpty
        else {
            let reason = "expected aws_access_key_id and aws_secret_access_key"
            throw .secretUnreadable(file: file, reason: reason)
        }
        return (key, secret, found["aws_session_token"])
    }

    /// The lines that are not empty, without blanks around them.
    private static func lines(_ file: String) throws(TransferError) -> [String] {
        let bytes: [UInt8]
        do {
            bytes = try WholeFile.read(file, bytesMax: bytesMax)
        } catch {
            throw .secretUnreadable(file: file, reason: "\(error)")
        }
        guard
            bytes.allSatisfy({
                $0 >= 0x20 && $0 != 0x7F || $0 == 0x0A || $0 == 0x0D || $0 == 0x09
            })
        else {
            throw .secretUnreadable(file: file, reason: "it holds control characters")
        }
        let text = String(decoding: bytes, as: UTF8.self)
        return text.split(whereSeparator: \.isNewline).map { trimmed($0) }.filter { !$0.isEmpty }
    }

    private static func trimmed(_ text: Substring) -> String {
        let blanks: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\r" }
        var rest = text.drop(while: blanks)
        while let last = rest.last, blanks(last) { rest.removeLast() }
        return String(rest)
    }
}
