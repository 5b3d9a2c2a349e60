/// The grammars of the few field values that the transport itself understands.
extension HeadParser {
    /// RFC 9110 §8.6: one or more digits, no sign, no list; leading zeros are decimal.
    func contentLength(
        _ bytes: Span<UInt8>,
        _ value: Range<Int>
    ) throws(RequestRejection) -> Int {
        guard !value.isEmpty else { throw .malformedContentLength }
        var length = 0
        for index in value {
            guard ByteClass.isDigit(bytes[index]) else { throw .malformedContentLength }
            let (tenfold, overflow) = length.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tenfold.addingReportingOverflow(Int(bytes[index] - 0x30))
            guard !overflow, !carry else { throw .malformedContentLength }
            length = sum
        }
        return length
    }

    /// The media type of a `Content-Type` (RFC 9110 §8.3), its parameters left out.
    func mediaType(_ bytes: Span<UInt8>, _ value: Range<Int>) -> Range<Int> {
        var end = value.lowerBound
        while end < value.upperBound, bytes[end] != ByteClass.semicolon { end += 1 }
        return bytes.trimmed(value.lowerBound..<end)
    }

    /// `chunked` alone is understood; a list of tokens that ends in it has codings that are not,
    /// anything else leaves the body's end unknown.
    mutating func readTransferCoding(
        _ bytes: Span<UInt8>,
        _ value: Range<Int>
    ) throws(RequestRejection) {
        if bytes.equalsIgnoringCase("chunked", in: value) {
            facts.isChunked = true
            return
        }
        guard !value.isEmpty else { throw .malformedTransferCoding }
        var chunkedCount = 0
        var start = value.lowerBound
        while start <= value.upperBound {
            var end = start
            while end < value.upperBound, bytes[end] != ByteClass.comma { end += 1 }
            let member = bytes.trimmed(start..<end)
            guard !member.isEmpty, chunkedCount == 0 else { throw .malformedTransferCoding }
            for index in member where !ByteClass.isToken(bytes[index]) {
                throw .malformedTransferCoding
            }
            if bytes.equalsIgnoringCase("chunked", in: member) { chunkedCount += 1 }
            start = end + 1
        }
        throw .unsupportedTransferCoding
    }

    /// Only `close` matters: keeping the connection is what HTTP/1.1 does anyway.
    mutating func readConnection(_ bytes: Span<UInt8>, _ value: Range<Int>) {
        var start = value.lowerBound
        while start < value.upperBound {
            var end = start
            while end < value.upperBound, bytes[end] != ByteClass.comma { end += 1 }
            if bytes.equalsIgnoringCase("close", in: bytes.trimmed(start..<end)) {
                facts.asksToClose = true
            }
            start = end + 1
        }
    }

    /// RFC 9110 §8.4; `x-gzip` is gzip by another name (§8.4.1.3).
    func contentCoding(_ bytes: Span<UInt8>, _ value: Range<Int>) -> ContentCoding {
        // A second field makes a list, and no list is understood, unless it repeats identity.
        guard facts.contentCoding == .identity else { return .unknown }
        if bytes.equalsIgnoringCase("gzip", in: value)
            || bytes.equalsIgnoringCase("x-gzip", in: value)
        {
            return .gzip
        }
        if bytes.equalsIgnoringCase("deflate", in: value) { return .deflate }
        if value.isEmpty || bytes.equalsIgnoringCase("identity", in: value) { return .identity }
        return .unknown
    }

    /// `host [ ":" port ]` of RFC 3986 §3.2, not empty (RFC 9110 §4.2.1), without user information.
    func isHost(_ bytes: Span<UInt8>, _ value: Range<Int>) -> Bool {
        guard let first = value.first else { return false }
        var index = value.lowerBound
        if bytes[first] == 0x5b {
            index += 1
            while index < value.upperBound, isAddressByte(bytes[index]) { index += 1 }
            guard index > first + 1, index < value.upperBound, bytes[index] == 0x5d else {
                return false
            }
            index += 1
        } else {
            while index < value.upperBound, ByteClass.isHostName(bytes[index]) { index += 1 }
            guard index > first else { return false }
        }
        guard index < value.upperBound else { return true }
        guard bytes[index] == ByteClass.colon else { return false }
        for place in index + 1..<value.upperBound where !ByteClass.isDigit(bytes[place]) {
            return false
        }
        return true
    }

    private func isAddressByte(_ byte: UInt8) -> Bool {
        ByteClass.hexValue(byte) != nil || byte == ByteClass.colon || byte == 0x2e
    }
}
