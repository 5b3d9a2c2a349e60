internal import Transfer

/// `leeway status`: what a running appliance says of itself, for a person.
package struct StatusView {
    /// Where the operations listener is.
    private let url: String
    private let settings: HTTPSessionSettings
    private let token: String?

    /// Names the listener.
    ///
    /// - Parameters:
    ///   - url: `https://host:port`.
    ///   - authorities: Certificate authorities of the server in PEM; nil for the system's.
    ///   - allowsPlaintext: Whether `http://` is allowed.
    ///   - token: The bearer token of the listener; nil for none.
    package init(url: String, authorities: String?, allowsPlaintext: Bool, token: String?) {
        self.url = url
        self.token = token
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
    /// - Throws: `TransferError`, ``StatusError``.
    package func run(json: Bool) throws -> String {
        var session = try HTTPSession(settings)
        let headers = token.map { [(name: "Authorization", value: "Bearer \($0)")] } ?? []
        let reply = try session.get("\(url)/status", headers: headers)
        guard reply.status == 200 else {
            throw StatusError(
                status: reply.status,
                body: String(decoding: reply.body.prefix(300), as: UTF8.self)
            )
        }
        if json { return String(decoding: reply.body, as: UTF8.self).trimmedEnd }
        return try StatusReport(json: reply.body).text
    }

    /// What clears a terminal, for a view that is refreshed.
    package static let clearScreen = "\u{1b}[H\u{1b}[2J\u{1b}[3J"
}

/// The appliance answered, but not with its status.
package struct StatusError: Error, Sendable, CustomStringConvertible {
    /// The HTTP status.
    package let status: Int
    /// The beginning of the answer.
    package let body: String

    /// What is wrong.
    package var description: String { "the appliance answered \(status): \(body)" }
}

extension String {
    fileprivate var trimmedEnd: String {
        var text = self
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
