internal import NIOCore
internal import Telemetry

/// Writes responses as bytes.
enum ResponseWriter {
    /// A body longer than this is passed on as the buffer it is instead of being copied.
    static let copyBytesMax = 64 * 1024

    /// The interim answer to `Expect: 100-continue`.
    static let continueLine: StaticString = "HTTP/1.1 100 Continue\r\n\r\n"

    /// What browsers are told in every response: never to guess what a body is.
    static let securityLines = "X-Content-Type-Options: nosniff\r\n"

    /// What browsers are told over TLS: to come by HTTPS only, for two years (RFC 6797, with the
    /// span of Mozilla's guidelines).
    static let strictTransportLine = "Strict-Transport-Security: max-age=63072000\r\n"

    /// Appends the head of a response, to its empty line.
    ///
    /// - Parameters:
    ///   - response: without what the transport adds.
    ///   - name: of the request.
    ///   - trace: where the client's trace goes on; `nil` when it sent none.
    ///   - common: whole lines that every response has.
    ///   - closes: whether the connection ends after it.
    ///   - output: where it is written to.
    static func writeHead(
        _ response: HTTPResponse,
        name: RequestName,
        trace: TraceContext? = nil,
        common: ByteBuffer,
        closes: Bool,
        to output: inout ByteBuffer
    ) {
        let status = response.status
        // All names and blanks of the head are below 160 bytes, a length and a name below 20 and 64,
        // the fields of a trace and of times below 80 and 160.
        let bytesMax =
            512 + status.statusLine.utf8CodeUnitCount + common.readableBytes
            + response.contentType.text.utf8CodeUnitCount
        // Bounds: the writer stops at the end of what is lent here, and says how much it wrote.
        unsafe output.writeWithUnsafeMutableBytes(minimumWritableBytes: bytesMax) { memory in
            var head = unsafe HeadWriter(memory)
            head.write(status.statusLine)
            head.write(common)
            if status.allowsContent {
                if response.body.readableBytes > 0 {
                    head.write("Content-Type: ")
                    head.write(response.contentType.text)
                    head.write("\r\nContent-Length: ")
                } else {
                    head.write("Content-Length: ")
                }
                head.write(decimal: response.body.readableBytes)
                head.write("\r\n")
            }
            if closes { head.write("Connection: close\r\n") }
            head.write("X-Request-Id: ")
            name.write(to: &head)
            if let trace { write(trace, to: &head) }
            if let timing = response.timing { timing.write(to: &head) }
            head.write(response.fields.isEmpty ? "\r\n\r\n" : "\r\n")
            return head.count
        }
        guard !response.fields.isEmpty else { return }
        for field in response.fields {
            output.writeStaticString(field.name)
            output.writeStaticString(": ")
            output.writeString(field.value)
            output.writeStaticString("\r\n")
        }
        output.writeStaticString("\r\n")
    }

    /// Appends the field `traceresponse`, after a line that has no end yet.
    private static func write(_ trace: TraceContext, to head: inout HeadWriter) {
        head.write("\r\ntraceresponse: 00-")
        head.write(hexadecimal: UInt64(truncatingIfNeeded: trace.traceIdentifier >> 64))
        head.write(hexadecimal: UInt64(truncatingIfNeeded: trace.traceIdentifier))
        head.write("-")
        head.write(hexadecimal: trace.parentIdentifier)
        head.write(trace.sampled ? "-01" : "-00")
    }

    /// The answer to a request whose head was understood, but that the transport refuses itself.
    static func response(to rejection: RequestRejection, _ request: HTTPRequest) -> HTTPResponse {
        response(
            to: rejection,
            name: request.name,
            route: request.route,
            bodyBytesMax: rejection == .bodyTooLarge ? request.bodyBytesMax : nil
        )
    }

    /// The answer to a request that the transport refuses itself.
    static func response(
        to rejection: RequestRejection,
        name: RequestName,
        route: HTTPRoute,
        bodyBytesMax: Int? = nil
    ) -> HTTPResponse {
        var body = ByteBufferAllocator().buffer(capacity: 256)
        // No part needs escaping: two literals of ours and an identifier of a checked alphabet.
        body.writeStaticString(#"{"error":""#)
        body.writeStaticString(rejection.message)
        if let bodyBytesMax {
            body.writeStaticString(": at most ")
            writeDecimal(bodyBytesMax, to: &body)
            body.writeStaticString(" bytes")
        }
        body.writeStaticString(#"","code":""#)
        body.writeStaticString(rejection.code)
        body.writeStaticString(#"","request_id":""#)
        name.write(to: &body)
        body.writeStaticString("\"}\n")
        var response = HTTPResponse(status: rejection.status, body: body, route: route)
        if rejection == .overloaded, let field = try? HTTPField("Retry-After", 1) {
            response.fields = [field]
        }
        response.log.errorCode = "\(rejection.code)"
        return response
    }

    /// Appends the digits of a number that is not negative.
    static func writeDecimal(_ value: Int, to output: inout ByteBuffer) {
        guard value >= 10 else {
            output.writeInteger(UInt8(truncatingIfNeeded: value) &+ 0x30)
            return
        }
        writeDecimal(value / 10, to: &output)
        output.writeInteger(UInt8(truncatingIfNeeded: value % 10) &+ 0x30)
    }
}
