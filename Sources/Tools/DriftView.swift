internal import Transfer

/// `leeway drift show` and `ack`: what a running appliance says of drift, and that it was seen.
package struct DriftView {
    private let url: String
    private let settings: HTTPSessionSettings
    private let token: String?
    private let model: String?

    /// Names the operations listener.
    ///
    /// - Parameters:
    ///   - url: `https://host:port`.
    ///   - authorities: Certificate authorities of the server in PEM; nil for the system's.
    ///   - allowsPlaintext: Whether `http://` is allowed.
    ///   - token: The bearer token of the listener; nil for none.
    ///   - model: The model; nil shows all.
    package init(
        url: String,
        authorities: String?,
        allowsPlaintext: Bool,
        token: String?,
        model: String?
    ) {
        (self.url, self.token, self.model) = (url, token, model)
        settings = HTTPSessionSettings(
            caFile: authorities,
            allowsPlaintext: allowsPlaintext,
            connectSecondsMax: 5,
            totalSecondsMax: 10
        )
    }

    /// Asks and renders.
    ///
    /// - Parameter json: Whether the answer is given as it came.
    /// - Returns: The report.
    /// - Throws: `TransferError`, ``StatusError``, `DecodingError`.
    package func show(json: Bool) throws -> String {
        var session = try HTTPSession(settings)
        let reply = try session.get("\(url)/drift", headers: headers)
        guard reply.status == 200 else { throw Self.refusal(reply.status, reply.body) }
        if json { return String(decoding: reply.body, as: UTF8.self).trimmed }
        return try DriftText(json: reply.body, model: model).text
    }

    /// Ends the model's alarms.
    ///
    /// - Returns: The appliance's answer.
    /// - Throws: `TransferError`, ``StatusError``.
    package func acknowledge() throws -> String {
        var session = try HTTPSession(settings)
        let query = model.map { "?model=\($0.queryEncoded)" } ?? ""
        let reply = try session.post(
            "\(url)/admin/drift/acknowledge\(query)",
            body: [],
            headers: headers
        )
        guard reply.status == 200 else { throw Self.refusal(reply.status, reply.body) }
        return String(decoding: reply.body, as: UTF8.self).trimmed
    }

    private var headers: [(name: String, value: String)] {
        token.map { [(name: "Authorization", value: "Bearer \($0)")] } ?? []
    }

    private static func refusal(_ status: Int, _ body: [UInt8]) -> StatusError {
        StatusError(status: status, body: String(decoding: body.prefix(300), as: UTF8.self))
    }
}

extension String {
    fileprivate var trimmed: String {
        var text = self
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }

    /// The text as a value of a query: all but letters, digits, `-`, `.`, `_` and `~` by their
    /// bytes (RFC 3986).
    fileprivate var queryEncoded: String {
        utf8.map { byte in
            let character = Character(UnicodeScalar(byte))
            let isPlain = byte < 128 && (character.isLetter || character.isNumber)
            if isPlain || "-._~".contains(character) { return String(character) }
            let digits = String(byte, radix: 16, uppercase: true)
            return byte < 16 ? "%0\(digits)" : "%\(digits)"
        }.joined()
    }
}
