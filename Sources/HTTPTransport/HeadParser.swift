/// Reads the lines of one head, strictly (RFC 9112), and collects what they say.
///
/// Pure: it is given whole lines as ranges of a span and keeps offsets, never bytes. It refuses
/// whatever two HTTP programs are known to read differently, because a request that a proxy and
/// this server frame differently is an attack (request smuggling).
struct HeadParser {
    /// The longest method that is read; every registered one is shorter.
    private static let methodBytesMax = 32

    var facts = HeadFacts()
    private(set) var fields = FieldPlaces()

    /// Reads `METHOD SP TARGET SP HTTP/1.x`, without its line end, from offset 0.
    ///
    /// - Throws: the first rule that the line breaks.
    mutating func readRequestLine(
        _ bytes: Span<UInt8>,
        end: Int,
        targetBytesMax: Int
    ) throws(RequestRejection) {
        var index = 0
        while index < end, ByteClass.isToken(bytes[index]) { index += 1 }
        guard index > 0, index <= Self.methodBytesMax, index < end,
            bytes[index] == ByteClass.space
        else { throw .malformedRequestLine }
        facts.methodRange = 0..<index
        facts.method = HTTPMethod(bytes, in: facts.methodRange)
        // The version is the last eight bytes, one space before them.
        let target = index + 1..<max(index + 1, end - 9)
        guard !target.isEmpty, bytes[target.upperBound] == ByteClass.space else {
            throw .malformedRequestLine
        }
        try readVersion(bytes, at: target.upperBound + 1)
        guard target.count <= targetBytesMax else { throw .targetTooLong }
        try readTarget(bytes, target)
    }

    private mutating func readVersion(
        _ bytes: Span<UInt8>,
        at start: Int
    ) throws(RequestRejection) {
        guard bytes.hasPrefix("HTTP/", at: start), ByteClass.isDigit(bytes[start + 5]),
            bytes[start + 6] == 0x2e, ByteClass.isDigit(bytes[start + 7])
        else { throw .malformedRequestLine }
        guard bytes[start + 5] == 0x31, bytes[start + 7] <= 0x31 else {
            throw .unsupportedVersion
        }
        facts.minorVersion = Int(bytes[start + 7] - 0x30)
    }

    private mutating func readTarget(
        _ bytes: Span<UInt8>,
        _ target: Range<Int>
    ) throws(RequestRejection) {
        for index in target {
            let byte = bytes[index]
            guard ByteClass.isTarget(byte) else { throw .malformedTarget }
            guard byte != ByteClass.percent || isEscape(bytes, index, target.upperBound) else {
                throw .malformedTarget
            }
        }
        let start = try pathStart(bytes, target)
        var end = start
        while end < target.upperBound, bytes[end] != ByteClass.questionMark { end += 1 }
        facts.path = start..<end
        facts.query = min(end + 1, target.upperBound)..<target.upperBound
        guard facts.path.isEmpty else { return }
        // Only `http://host?query` and `http://host` get here; their path is `/` (RFC 9110
        // §4.2.3), and one stands in the `://` that the form has.
        facts.path = try slashOfScheme(bytes, target)
    }

    private func isEscape(_ bytes: Span<UInt8>, _ index: Int, _ end: Int) -> Bool {
        index + 2 < end && ByteClass.hexValue(bytes[index + 1]) != nil
            && ByteClass.hexValue(bytes[index + 2]) != nil
    }

    /// Where the path begins in each of the target's forms (RFC 9112 §3.2).
    private func pathStart(
        _ bytes: Span<UInt8>,
        _ target: Range<Int>
    ) throws(RequestRejection) -> Int {
        if bytes[target.lowerBound] == ByteClass.slash { return target.lowerBound }
        if bytes.equals("*", in: target), facts.method == .options { return target.lowerBound }
        let scheme = try slashOfScheme(bytes, target)
        var index = scheme.upperBound + 1
        let authority = index
        while index < target.upperBound, bytes[index] != ByteClass.slash,
            bytes[index] != ByteClass.questionMark
        {
            index += 1
        }
        guard isHost(bytes, authority..<index) else { throw .malformedTarget }
        return index
    }

    /// The first slash of `http://` or `https://`.
    private func slashOfScheme(
        _ bytes: Span<UInt8>,
        _ target: Range<Int>
    ) throws(RequestRejection) -> Range<Int> {
        for length in [4, 5] where target.count > length + 3 {
            let colon = target.lowerBound + length
            let scheme: StaticString = length == 4 ? "http" : "https"
            if bytes.equalsIgnoringCase(scheme, in: target.lowerBound..<colon),
                bytes.hasPrefix("://", at: colon)
            {
                return colon + 1..<colon + 2
            }
        }
        throw .malformedTarget
    }

    /// Reads one field line, without its line end.
    ///
    /// - Throws: the first rule that the line breaks.
    mutating func readField(
        _ bytes: Span<UInt8>,
        _ line: Range<Int>,
        fieldsMax: Int
    ) throws(RequestRejection) {
        guard fields.count < fieldsMax else { throw .tooManyFields }
        var colon = line.lowerBound
        while colon < line.upperBound, ByteClass.isToken(bytes[colon]) { colon += 1 }
        // A line that begins with a blank would be obs-fold, a blank before the colon an attack.
        guard colon > line.lowerBound, colon < line.upperBound, bytes[colon] == ByteClass.colon
        else { throw .malformedField }
        guard bytes.areFieldValue(in: colon + 1..<line.upperBound) else { throw .malformedField }
        let name = line.lowerBound..<colon
        let value = bytes.trimmed(colon + 1..<line.upperBound)
        fields.append(FieldPlace(name: name, value: value))
        try readKnownField(bytes, name, value)
    }

    /// What the transport itself has to understand; sorted by the name's length.
    private mutating func readKnownField(
        _ bytes: Span<UInt8>,
        _ name: Range<Int>,
        _ value: Range<Int>
    ) throws(RequestRejection) {
        switch name.count {
        case 4 where bytes.equalsIgnoringCase("host", in: name):
            facts.hostCount += 1
            guard facts.hostCount == 1, isHost(bytes, value) else { throw .malformedHost }
        case 6 where bytes.equalsIgnoringCase("expect", in: name):
            let isKnown = bytes.equalsIgnoringCase("100-continue", in: value)
            facts.expectation =
                isKnown && facts.expectation != .unknown ? .continueFirst : .unknown
        case 10 where bytes.equalsIgnoringCase("connection", in: name):
            readConnection(bytes, value)
        case 11 where bytes.equalsIgnoringCase("traceparent", in: name):
            facts.traceparentCount += 1
            facts.traceparent = value
        case 12 where bytes.equalsIgnoringCase("x-request-id", in: name):
            facts.identifierCount += 1
            facts.identifier = value
        case 12 where bytes.equalsIgnoringCase("content-type", in: name):
            facts.mediaType = facts.mediaType ?? mediaType(bytes, value)
        case 14 where bytes.equalsIgnoringCase("content-length", in: name):
            guard facts.contentLength == nil else { throw .malformedContentLength }
            facts.contentLength = try contentLength(bytes, value)
        case 16 where bytes.equalsIgnoringCase("content-encoding", in: name):
            facts.contentCoding = contentCoding(bytes, value)
        case 17 where bytes.equalsIgnoringCase("transfer-encoding", in: name):
            facts.transferCodingCount += 1
            guard facts.transferCodingCount == 1 else { throw .malformedTransferCoding }
            try readTransferCoding(bytes, value)
        default:
            break
        }
    }

    /// Checks what only the whole head can tell.
    ///
    /// - Throws: the first rule that the head breaks.
    mutating func finish() throws(RequestRejection) {
        if facts.transferCodingCount > 0 {
            // HTTP/1.0 has no transfer codings; a proxy that speaks it would frame by length.
            guard facts.minorVersion == 1 else { throw .malformedTransferCoding }
            guard facts.contentLength == nil else { throw .ambiguousLength }
        }
        if facts.minorVersion == 1, facts.hostCount != 1 { throw .malformedHost }
        if facts.minorVersion == 0 {
            facts.asksToClose = true
            // RFC 9110 §10.1.1: a server ignores a 100-continue expectation in HTTP/1.0.
            if facts.expectation == .continueFirst { facts.expectation = .none }
        }
    }
}
