internal import Compression
internal import NIOCore

extension HTTPRequestHead {
    /// The values of all fields of this name with commas between them, which means the same as one
    /// field (RFC 9110 §5.2); empty when there is none.
    ///
    /// - Parameter name: lower-case ASCII.
    /// - Returns: the values in the order of the fields.
    package func allValues(of name: StaticString) -> String {
        let span = bytes.readableBytesUInt8Span
        var values: [String] = []
        for index in 0..<fields.count {
            let field = fields[index]
            guard span.equalsIgnoringCase(name, in: field.name) else { continue }
            values.append(text(field.value))
        }
        return values.joined(separator: ",")
    }

    /// Whether the client takes gzip (RFC 9110 §12.5.3): named, or meant by `*`, and not at
    /// quality 0.
    package var acceptsGzip: Bool { accepts("gzip", or: "x-gzip") }

    /// Whether the client takes deflate, which is the format of zlib (RFC 9110 §8.4.1.2).
    package var acceptsDeflate: Bool { accepts("deflate", or: "deflate") }

    private func accepts(_ name: StaticString, or alias: StaticString) -> Bool {
        let span = bytes.readableBytesUInt8Span
        var star: Bool?
        for index in 0..<fields.count {
            let field = fields[index]
            guard span.equalsIgnoringCase("accept-encoding", in: field.name) else { continue }
            var start = field.value.lowerBound
            while start < field.value.upperBound {
                var end = start
                while end < field.value.upperBound, span[end] != ByteClass.comma { end += 1 }
                let (coding, isWanted) = Self.preference(span, start..<end)
                if span.equalsIgnoringCase(name, in: coding)
                    || span.equalsIgnoringCase(alias, in: coding)
                {
                    return isWanted
                }
                if span.equals("*", in: coding) { star = isWanted }
                start = end + 1
            }
        }
        return star ?? false
    }

    /// Reads `coding [ ";" "q=" qvalue ]`; a weight that is not understood counts as wanted.
    private static func preference(
        _ span: Span<UInt8>,
        _ member: Range<Int>
    ) -> (coding: Range<Int>, isWanted: Bool) {
        var semicolon = member.lowerBound
        while semicolon < member.upperBound, span[semicolon] != ByteClass.semicolon {
            semicolon += 1
        }
        let coding = span.trimmed(member.lowerBound..<semicolon)
        let weight = span.trimmed(min(semicolon + 1, member.upperBound)..<member.upperBound)
        guard weight.count >= 3, span[weight.lowerBound] | 0x20 == 0x71,
            span[weight.lowerBound + 1] == ByteClass.equals
        else { return (coding, true) }
        for index in weight.lowerBound + 2..<weight.upperBound
        where span[index] != 0x30 && span[index] != 0x2e {
            return (coding, true)
        }
        return (coding, false)
    }
}

extension HTTPResponse {
    /// A body shorter than this is not worth the client's and the server's work.
    package static var gzipBytesMin: Int { 1024 }

    /// A body longer than this is not compressed on an event loop that answers predictions: at some
    /// ten microseconds a kilobyte, the others would wait for it.
    package static var codedBytesMax: Int { 256 << 10 }

    /// The response with its body compressed, where the client takes that and it makes it shorter.
    ///
    /// Compressing takes some ten microseconds a kilobyte, so it is not for an event loop that
    /// answers predictions.
    ///
    /// - Parameter accepted: whether the client takes gzip.
    /// - Returns: the response, which then says that it varies with the client's wish.
    package func gzipped(_ accepted: Bool) -> HTTPResponse {
        guard body.readableBytes >= Self.gzipBytesMin, status.allowsContent else { return self }
        return coded(accepted ? .gzip : nil)
    }

    /// The response as a client wants it: with gzip, with deflate, or as it is.
    ///
    /// Short and very long bodies are left alone.
    ///
    /// - Parameter head: The request's.
    /// - Returns: the response, which then says that it varies with the client's wish.
    package consuming func coded(for head: HTTPRequestHead) -> HTTPResponse {
        guard (Self.gzipBytesMin...Self.codedBytesMax).contains(body.readableBytes) else {
            return self
        }
        return coded(head.acceptsGzip ? .gzip : head.acceptsDeflate ? .deflate : nil)
    }

    private func coded(_ coding: ContentCoding?) -> HTTPResponse {
        var response = self
        if let field = try? HTTPField("Vary", "Accept-Encoding") { response.fields.append(field) }
        // Level 1: on the text of metrics, higher ones take twice the time for a tenth of the size.
        guard let coding,
            let coded = try? Gzip.compress(
                body.readableBytesUInt8Span,
                format: coding == .deflate ? .zlib : .gzip,
                level: 1
            ),
            coded.count < body.readableBytes,
            let field = try? HTTPField(
                "Content-Encoding",
                coding == .deflate ? "deflate" : "gzip"
            )
        else { return response }
        response.fields.append(field)
        response.body = ByteBuffer(bytes: coded)
        return response
    }
}
