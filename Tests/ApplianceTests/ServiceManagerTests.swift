import Appliance
import Glibc
import TestSupport
import Testing

@Suite("Service manager") struct ServiceManagerTests {
    /// The manager's end: a datagram socket at a path or, with `@` in front, at an abstract address.
    @safe final class Socket {
        private let descriptor: Int32

        init(_ path: String) throws {
            descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
            try #require(descriptor >= 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            var bytes = Array(path.utf8)
            if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
            let room = MemoryLayout.size(ofValue: address.sun_path)
            try #require(bytes.count < room)
            // Bounds: fewer bytes than there is room for.
            unsafe withUnsafeMutableBytes(of: &address.sun_path) { target in
                unsafe target.copyBytes(from: bytes)
            }
            let length = socklen_t(MemoryLayout<sockaddr_un>.size - room + bytes.count)
            let result = unsafe withUnsafePointer(to: &address) { address in
                unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    unsafe bind(descriptor, address, length)
                }
            }
            try #require(result == 0)
        }

        deinit { close(descriptor) }

        /// The lines of the next datagram, which is there already; nil for none.
        func next() -> [String]? {
            var bytes = [UInt8](repeating: 0, count: 1000)
            // Bounds: at most as many bytes as the array has.
            let count = unsafe recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
            guard count >= 0 else { return nil }
            let text = String(decoding: bytes[..<count], as: UTF8.self)
            return text.split(separator: "\n").map(String.init)
        }
    }

    @Test("it is told of start, reload, life and end", arguments: [true, false])
    func notify(abstract: Bool) throws {
        let folder = try TemporaryDirectory()
        let path = abstract ? "@leeway-test-\(getpid())" : folder.path("notify")
        let socket = try Socket(path)
        let manager = ServiceManager(["NOTIFY_SOCKET": path])
        manager.ready()
        #expect(socket.next()?.first == "READY=1")
        manager.reloading()
        let lines = try #require(socket.next())
        #expect(lines.first == "RELOADING=1")
        let time = lines.dropFirst().first?.split(separator: "=")
        #expect(time?.first == "MONOTONIC_USEC")
        #expect((time?.last).flatMap { Int64($0) } ?? 0 > 0)
        manager.alive()
        #expect(socket.next() == ["WATCHDOG=1"])
        manager.stopping()
        #expect(socket.next()?.first == "STOPPING=1")
        #expect(socket.next() == nil)
    }

    @Test("none, or one that does not listen, is no reason to stop")
    func absent() throws {
        let folder = try TemporaryDirectory()
        for path in ["", folder.path("none"), "@", "/" + String(repeating: "x", count: 200)] {
            ServiceManager(["NOTIFY_SOCKET": path]).ready()
        }
        ServiceManager([:]).ready()
    }

    @Test("the watchdog is for the process that is named, and for sensible times")
    func watchdog() {
        func nanoseconds(_ more: [String: String]) -> Int64? {
            ServiceManager(more.merging(["NOTIFY_SOCKET": "/none"]) { old, _ in old })
                .watchdogNanoseconds
        }
        #expect(nanoseconds(["WATCHDOG_USEC": "20000000"]) == 20_000_000_000)
        #expect(
            nanoseconds(["WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "\(getpid())"])
                == 20_000_000_000
        )
        #expect(nanoseconds(["WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"]) == nil)
        for bad in ["", "0", "-1", "x", "99999999999999999999", "1"] {
            #expect(nanoseconds(["WATCHDOG_USEC": bad]) == nil, "\(bad)")
        }
        #expect(ServiceManager(["WATCHDOG_USEC": "20000000"]).watchdogNanoseconds == nil)
    }

    @Test("sockets that are handed over are found by their names, or by their order")
    func sockets() {
        let own = "\(getpid())"
        func found(_ environment: [String: String]) -> [CInt?] {
            let manager = ServiceManager(environment)
            return ["api", "operations"].map { manager.listeningSocket(for: $0) }
        }
        #expect(found([:]) == [nil, nil])
        #expect(found(["LISTEN_PID": "1", "LISTEN_FDS": "2"]) == [nil, nil])
        #expect(found(["LISTEN_PID": own, "LISTEN_FDS": "x"]) == [nil, nil])
        #expect(found(["LISTEN_PID": own, "LISTEN_FDS": "-1"]) == [nil, nil])
        #expect(found(["LISTEN_PID": own, "LISTEN_FDS": "99999999999"]) == [nil, nil])
    }
}
