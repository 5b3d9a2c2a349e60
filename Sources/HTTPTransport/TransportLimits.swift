/// The bounds of what one client may ask of a listener; each has its unit in its name.
///
/// The defaults are those of servers that face the open network: an absolute limit on the whole
/// head (which is what stops slow senders), an idle limit and a least rate on bodies.
package struct TransportLimits: Sendable, Equatable {
    /// Bytes of request line and fields together, 1 to 65,535; beyond: 431 or 414.
    package var headerBytesMax = 16 * 1024
    /// Fields of one head, and of one trailer section; beyond: 431.
    package var fieldsMax = 100
    /// Bytes of the request target; beyond: 414.
    package var targetBytesMax = 8 * 1024
    /// Bytes of a refused request's body that are read and dropped to keep the connection; a
    /// longer one costs the client its connection.
    package var discardBytesMax = 64 * 1024
    /// Seconds for a whole head, from its first byte; for a new connection also for that byte.
    package var headerSeconds: Double = 10
    /// Seconds between two reads of a body.
    package var bodyIdleSeconds: Double = 10
    /// Seconds for a whole body, however fast it comes.
    package var bodySeconds: Double = 300
    /// The least rate of a body, in bytes a second, after the first ``bodyIdleSeconds``.
    package var bodyBytesPerSecondMin = 240
    /// Seconds that a kept connection may wait for its next request.
    package var idleSeconds: Double = 60
    /// Seconds without progress until a response that the client does not read is given up.
    package var sendSeconds: Double = 30
    /// Seconds to read and drop after an error, so that the client can still read the answer.
    package var lingerSeconds: Double = 5
    /// Bytes to read and drop after an error; what a client sends beyond them is left unread.
    package var lingerBytesMax = 16 * 1024 * 1024
    /// Requests on one connection; the last is answered with `Connection: close`.
    package var requestsPerConnectionMax = 1000
    /// Seconds of life of one connection; the first answer after it carries `Connection: close`.
    package var connectionAgeSeconds: Double = 3600
    /// Connections of the listener at one time; a new one takes the place of the longest idle,
    /// or is closed when none is idle.
    package var connectionsMax = 10_000
    /// Connections of one client address at one time; further ones are closed.
    ///
    /// An IPv6 client's address is its /64 network. There is no such limit unless it is set: behind
    /// a proxy all clients have one address.
    package var connectionsPerAddressMax = Int.max
    /// Answers of the control path that one event loop may owe at a time; beyond: 503.
    package var pendingAnswersMax = 256
    /// Seconds that a request may have waited for its event loop; beyond: 503.
    ///
    /// Until then a loop with too much to do only reads more slowly.
    package var queueSecondsMax: Double = 0.25

    /// The default limits.
    package init() {}

    /// Checks that every limit is one that the code can keep.
    ///
    /// - Throws: ``HTTPTransportError/limitOutOfRange(name:value:allowed:)`` for the first that is not.
    package func check() throws(HTTPTransportError) {
        try Self.check("headerBytesMax", headerBytesMax, 64...65_535)
        try Self.check("fieldsMax", fieldsMax, 1...10_000)
        try Self.check("targetBytesMax", targetBytesMax, 1...headerBytesMax)
        try Self.check("discardBytesMax", discardBytesMax, 0...1_073_741_824)
        try Self.check("bodyBytesPerSecondMin", bodyBytesPerSecondMin, 1...1_073_741_824)
        try Self.check("lingerBytesMax", lingerBytesMax, 0...1_073_741_824)
        try Self.check("requestsPerConnectionMax", requestsPerConnectionMax, 1...Int.max)
        try Self.check("connectionsMax", connectionsMax, 1...10_000_000)
        try Self.check("connectionsPerAddressMax", connectionsPerAddressMax, 1...Int.max)
        try Self.check("pendingAnswersMax", pendingAnswersMax, 1...Int.max)
        let seconds: [(String, Double)] = [
            ("headerSeconds", headerSeconds), ("bodyIdleSeconds", bodyIdleSeconds),
            ("bodySeconds", bodySeconds), ("idleSeconds", idleSeconds),
            ("sendSeconds", sendSeconds), ("lingerSeconds", lingerSeconds),
            ("connectionAgeSeconds", connectionAgeSeconds), ("queueSecondsMax", queueSecondsMax),
        ]
        for (name, value) in seconds where !(value >= 0.001 && value <= 31_536_000) {
            throw .limitOutOfRange(name: name, value: "\(value)", allowed: "0.001 to 31536000")
        }
    }

    private static func check(
        _ name: String,
        _ value: Int,
        _ allowed: ClosedRange<Int>
    ) throws(HTTPTransportError) {
        guard !allowed.contains(value) else { return }
        throw .limitOutOfRange(
            name: name,
            value: "\(value)",
            allowed: "\(allowed.lowerBound) to \(allowed.upperBound)"
        )
    }
}
