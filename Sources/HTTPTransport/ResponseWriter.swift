internal import NIOCore

/// Writes responses as bytes.
enum ResponseWriter {
    /// A body longer than this is passed on as the buffer it is instead of being copied.
    static let copyBytesMax = 64 * 1024

    /// The interim answer to `Expect: 100-continue`.
    static let continueLine: StaticString = "HTTP/1.1 100 Continue\r\n\r\n"

    /// Appends the head of a response, to its empty line.
    static func writeHead(
        _ response: HTTPResponse,
        name: RequestName,
        date: ByteBuffer,
        closes: Bool,
        to output: inout ByteBuffer
    ) {
        output.writeStaticString(response.status.statusLine)
        output.writeImmutableBuffer(date)
        if response.status.allowsContent {
            if response.body.readableBytes > 0 {
                output.writeStaticString("Content-Type: ")
                output.writeStaticString(response.contentType.text)
                output.writeStaticString("\r\n")
            }
            output.writeStaticString("Content-Length: ")
            writeDecimal(response.body.readableBytes, to: &output)
            output.writeStaticString("\r\n")
        }
        if closes { output.writeStaticString("Connection: close\r\n") }
        output.writeStaticString("X-Request-Id: ")
        name.write(to: &output)
        for field in response.fields {
            output.writeStaticString("\r\n")
            output.writeStaticString(field.name)
            output.writeStaticString(": ")
            output.writeString(field.value)
        }
        output.writeStaticString("\r\n\r\n")
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
