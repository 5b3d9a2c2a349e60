internal import Digest

/// Who may ask for what, as the file `access.file` says: one credential a line.
///
/// ```
/// # name  scopes            credential                     limits
/// shop    predict,feedback  sha256:<64 hexadecimal digits>  rate=200 burst=400
/// cart    predict           san:spiffe://mesh/ns/shop/sa/cart
/// pager   operate           sha256:<64 hexadecimal digits>
/// ```
///
/// A key itself is in no file: what is kept is its SHA-256, which is enough for a key of 32 random
/// bytes. Lines of one name are credentials of one caller (an old and a new key, say), with the
/// scopes and limits of its first line.
package struct AccessFile: Sendable, Equatable {
    /// The callers, in the order of their first lines.
    package private(set) var callers: [Caller] = []

    /// Whoever has one of some credentials.
    package struct Caller: Sendable, Equatable {
        /// What metrics, logs and the journal call it.
        package let name: String
        /// What it may ask for.
        package let scopes: Set<Endpoint.Scope>
        /// Requests a second in the long run; nil for any number.
        package let rate: Double?
        /// Requests that may come at once.
        package let burst: Double?
        /// The digests of its keys.
        var digests: [Digest256] = []
        /// Alternative names of its certificates.
        var certificateNames: [String] = []
    }

    /// The most callers: each has metrics of its own.
    package static let callersMax = 200
    /// The most lines with credentials: every one is compared with every key that is shown.
    package static let credentialsMax = 1000

    /// Reads the text of a file.
    ///
    /// - Throws: ``AccessFileError`` with the line.
    package init(_ text: String) throws(AccessFileError) {
        var count = 0
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() {
            let content = line.prefix { $0 != "#" }
            let words = content.split { $0 == " " || $0 == "\t" }.map(String.init)
            guard !words.isEmpty else { continue }
            count += 1
            try add(words, line: index + 1, count: count)
        }
        guard !callers.isEmpty else {
            throw AccessFileError(
                line: nil,
                problem: "names nobody: every request would be refused"
            )
        }
    }

    private mutating func add(
        _ words: [String],
        line: Int,
        count: Int
    ) throws(AccessFileError) {
        func problem(_ words: String) -> AccessFileError {
            AccessFileError(line: line, problem: words)
        }
        guard words.count >= 3 else {
            throw problem("expected: name scopes credential [rate=N] [burst=N]")
        }
        guard count <= Self.credentialsMax else {
            throw problem("more than \(Self.credentialsMax) credentials")
        }
        guard Self.isName(words[0]) else {
            throw problem("a name is 1 to 64 of the characters a-z, A-Z, 0-9, - and _")
        }
        guard !Self.reserved.contains(words[0]) else {
            throw problem("the name \(words[0]) is not free: metrics use it")
        }
        let limits = try Limits(words.dropFirst(3), line: line)
        var caller = Caller(
            name: words[0],
            scopes: try Self.scopes(words[1], line: line),
            rate: limits.rate,
            burst: limits.burst
        )
        let known = callers.firstIndex { $0.name == words[0] }
        if let known {
            let first = callers[known]
            guard
                (first.scopes, first.rate, first.burst)
                    == (caller.scopes, caller.rate, caller.burst)
            else { throw problem("\(words[0]) has other scopes or limits on an earlier line") }
            caller = first
        }
        try Self.add(words[2], to: &caller, others: callers, line: line)
        if let known {
            callers[known] = caller
        } else {
            guard callers.count < Self.callersMax else {
                throw problem("more than \(Self.callersMax) names")
            }
            callers.append(caller)
        }
    }

    private static func add(
        _ credential: String,
        to caller: inout Caller,
        others: [Caller],
        line: Int
    ) throws(AccessFileError) {
        let all = others + [caller]
        if credential.hasPrefix("sha256:") {
            guard let digest = try? Digest256(hex: credential.dropFirst(7)) else {
                let problem = "expected 64 hexadecimal digits after sha256:"
                throw AccessFileError(line: line, problem: problem)
            }
            guard !all.contains(where: { $0.digests.contains(digest) }) else {
                throw AccessFileError(line: line, problem: "the key stands on an earlier line")
            }
            caller.digests.append(digest)
            return
        }
        guard credential.hasPrefix("san:"), credential.utf8.count > 4 else {
            let problem = "expected sha256:… (a key) or san:… (a name in a client's certificate)"
            throw AccessFileError(line: line, problem: problem)
        }
        let name = String(credential.dropFirst(4))
        guard !all.contains(where: { $0.certificateNames.contains(name) }) else {
            throw AccessFileError(line: line, problem: "\(name) stands on an earlier line")
        }
        caller.certificateNames.append(name)
    }

    private static func scopes(
        _ text: String,
        line: Int
    ) throws(AccessFileError) -> Set<Endpoint.Scope> {
        var scopes: Set<Endpoint.Scope> = []
        for word in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let scope = Endpoint.Scope(rawValue: String(word)) else {
                let known = Endpoint.Scope.allCases.map(\.rawValue).joined(separator: ", ")
                let problem = "no scope is called \"\(word.prefix(64))\"; there are \(known)"
                throw AccessFileError(line: line, problem: problem)
            }
            scopes.insert(scope)
        }
        return scopes
    }

    /// Names that metrics use for those who are in no file.
    private static let reserved: Set = ["token", "none", "other"]

    /// Whether a text can be a caller's name.
    static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    /// `rate=N burst=N`.
    private struct Limits {
        var rate: Double?
        var burst: Double?

        init(_ words: ArraySlice<String>, line: Int) throws(AccessFileError) {
            for word in words {
                let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
                guard parts.count == 2, let value = Double(parts[1]),
                    (0.001...1_000_000).contains(value)
                else {
                    let problem =
                        "expected rate=N or burst=N of 0.001 to 1000000: \(word.prefix(64))"
                    throw AccessFileError(line: line, problem: problem)
                }
                switch parts[0] {
                case "rate" where rate == nil: rate = value
                case "burst" where burst == nil && value >= 1: burst = value
                default:
                    let problem = "rate and burst may stand once each, burst not below 1"
                    throw AccessFileError(line: line, problem: problem)
                }
            }
            if burst != nil && rate == nil {
                throw AccessFileError(line: line, problem: "burst needs rate beside it")
            }
        }
    }
}

/// What is wrong with an access file.
package struct AccessFileError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The line, from 1; nil for the file as a whole.
    package let line: Int?
    /// What is wrong, without any secret.
    package let problem: String

    /// The line and what is wrong.
    package var description: String { line.map { "line \($0): \(problem)" } ?? problem }
}

/// A new key: 32 random bytes, and what is kept of it.
package struct AccessKey: Sendable {
    /// What the caller shows; it is kept nowhere.
    package let key: String
    /// The line for the access file.
    package let line: String

    /// Makes a key.
    ///
    /// - Parameters:
    ///   - name: The caller's name.
    ///   - scopes: What it may ask for, as in the file.
    ///   - limits: What else stands on the line, such as `rate=100`.
    ///   - random: Random bits fit for secrets.
    /// - Returns: The key, and its line.
    /// - Throws: ``AccessFileError`` for what could not stand in a file.
    package static func make(
        name: String,
        scopes: String,
        limits: [String],
        using random: inout some RandomNumberGenerator
    ) throws -> AccessKey {
        let words = (0..<4).map { _ in random.next() as UInt64 }
        let digits = words.map { word in
            let text = String(word, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }
        let key = prefix + digits.joined()
        let digest = try SHA256Digest.of(Array(key.utf8)).hex
        let line = ([name, scopes, "sha256:\(digest)"] + limits).joined(separator: "  ")
        _ = try AccessFile(line)
        return AccessKey(key: key, line: line)
    }

    /// What every key begins with, so that scanners for secrets know one.
    package static let prefix = "leeway_"
}
