import Digest
import Files
import FoundationEssentials
import TestSupport
import Testing
import Transfer

@Suite("HTTP sessions", .enabled(if: DataServer.isPossible, "\(DataServer.wants)"))
struct HTTPSessionTests {
    /// What `/echo` answers.
    private struct Echo: Decodable {
        let method: String
        let headers: [String: String]
        let body: String
        let sha256: String

        init(_ reply: HTTPReply) throws {
            self = try JSONDecoder().decode(Self.self, from: Data(reply.body))
        }
    }

    @Test("one connection serves many requests")
    func keepAlive() throws {
        let server = try DataServer.shared()
        var session = try HTTPSession(HTTPSessionSettings(caFile: server.caFile))
        var reused: [Bool] = []
        for count in [10, 20, 30] {
            let reply = try session.get(server.url("bytes/\(count)"))
            #expect(reply.status == 200)
            #expect(reply.body.count == count)
            reused.append(reply.isConnectionReused)
        }
        let post = try session.post(server.url("echo"), body: Array("{}".utf8))
        reused.append(post.isConnectionReused)
        #expect(reused == [false, true, true, true])
    }

    @Test("a body arrives as it was sent", arguments: [0, 1, 5000, 3_000_000])
    func bodies(count: Int) throws {
        let server = try DataServer.shared()
        var session = try HTTPSession(HTTPSessionSettings(caFile: server.caFile))
        let body = sample(count)
        let reply = try session.post(server.url("echo"), body: body)
        let echo = try Echo(reply)
        let digest = try SHA256Digest.of(body)
        #expect(echo.method == "POST")
        #expect(echo.sha256 == digest.hex)
        #expect(echo.headers["content-length"] == "\(count)")
        #expect(echo.headers["content-type"] == "application/json")
        #expect(echo.headers["expect"] == nil)
        #expect(reply.contentType == "application/json")
    }

    @Test("headers are sent as given, and only with the request they belong to")
    func headers() throws {
        let server = try DataServer.shared()
        var session = try HTTPSession(HTTPSessionSettings(caFile: server.caFile))
        let given = [("X-Request-Id", "abc"), ("content-type", "text/csv"), ("X-Empty", "")]
        let first = try Echo(session.post(server.url("echo"), body: [1], headers: given))
        #expect(first.headers["x-request-id"] == "abc")
        #expect(first.headers["content-type"] == "text/csv")
        #expect(first.headers["x-empty"] == "")
        let second = try Echo(session.get(server.url("echo")))
        #expect(second.method == "GET")
        #expect(second.headers["x-request-id"] == nil)
        #expect(second.headers["content-type"] == nil)
        #expect(second.body == "")
    }

    @Test(
        "a header that would break out of its line is refused",
        arguments: [
            ("X-A", "b\r\nX-C: d"), ("X-A", "b\nc"), ("X-A\r\nX-B", "c"), ("", "x"), ("X A", "b"),
            ("X-A", "b\u{0}c"), ("X:A", "b"),
        ]
    )
    func badHeaders(name: String, value: String) throws {
        let server = try DataServer.shared()
        var session = try HTTPSession(HTTPSessionSettings(caFile: server.caFile))
        var code: String?
        do throws(TransferError) {
            _ = try session.get(server.url("echo"), headers: [(name, value)])
        } catch {
            code = error.code
        }
        #expect(code == "header_invalid")
        // The session is still good.
        let status = try session.get(server.url("echo")).status
        #expect(status == 200)
    }

    @Test("any status is a reply, and redirects are not followed")
    func statuses() throws {
        let server = try DataServer.shared()
        var session = try HTTPSession(HTTPSessionSettings(caFile: server.caFile))
        for (path, status) in [("status/404", 404), ("status/503", 503), ("redirect/other", 302)] {
            let reply = try session.get(server.url(path))
            #expect(reply.status == status)
            #expect(!reply.body.isEmpty)
        }
        let empty = try session.get(server.url("status/204"))
        #expect(empty.body.isEmpty)
    }

    @Test(
        "no whole answer is an error, and the next request makes a new connection",
        arguments: [
            ("early-close", "interrupted"), ("reset", "interrupted"), ("endless", "too_large"),
            ("garbage", "answer_unexpected"), ("bytes/10001", "too_large"),
        ]
    )
    func faults(path: String, code: String) throws {
        let server = try DataServer.shared()
        let settings = HTTPSessionSettings(caFile: server.caFile, bodyBytesMax: 10_000)
        var session = try HTTPSession(settings)
        var found: String?
        do throws(TransferError) {
            _ = try session.get(server.url(path))
        } catch {
            found = error.code
        }
        #expect(found == code)
        let reply = try session.get(server.url("bytes/10000"))
        #expect(reply.body.count == 10_000)
    }

    @Test("a server that never answers runs into the time limit")
    func silence() throws {
        let server = try DataServer.shared()
        let settings = HTTPSessionSettings(caFile: server.caFile, totalSecondsMax: 1)
        #expect(code(of: "stall/head", at: server, settings) == "timed_out")
    }

    @Test("certificates are checked, and plain HTTP has to be asked for")
    func trust() throws {
        let server = try DataServer.shared()
        let other = try DataServer(names: "DNS:elsewhere.example")
        let plain = try DataServer(usesTLS: false)
        let settings = HTTPSessionSettings(caFile: other.caFile)
        #expect(code(of: "bytes/1", at: server, settings) == "certificate_refused")
        #expect(code(of: "bytes/1", at: other, settings) == "certificate_refused")
        var session = try HTTPSession(HTTPSessionSettings(allowsPlaintext: true))
        let url = "http://127.0.0.1:\(plain.port)/bytes/7"
        let reply = try session.get(url)
        #expect(reply.body.count == 7)
        var strict = try HTTPSession()
        var refusal: String?
        do throws(TransferError) { _ = try strict.get(url) } catch { refusal = error.code }
        #expect(refusal == "url_invalid")
    }

    @Test("connect-to leads a name elsewhere, and the certificate is still checked by the name")
    func connectTo() throws {
        let other = try DataServer(names: "DNS:elsewhere.example")
        let settings = HTTPSessionSettings(
            caFile: other.caFile,
            connectTo: ["elsewhere.example:443:127.0.0.1:\(other.port)"]
        )
        var session = try HTTPSession(settings)
        let reply = try session.get("https://elsewhere.example/bytes/5")
        #expect(reply.body.count == 5)
    }

    private func code(
        of path: String,
        at server: DataServer,
        _ settings: HTTPSessionSettings
    ) -> String? {
        do throws(TransferError) {
            var session = try HTTPSession(settings)
            _ = try session.get(server.url(path))
            return nil
        } catch {
            return error.code
        }
    }
}
