internal import Glibc

/// The service manager that started the process, when it is systemd or speaks its protocol:
/// datagrams of `NAME=value` lines to the socket that the environment names (sd_notify(3)).
package struct ServiceManager: Sendable {
    private let path: String?
    /// Nanoseconds between two signs of life that the manager wants at least; nil for none.
    package let watchdogNanoseconds: Int64?
    private let sockets: [String: CInt]

    /// Finds the manager by the variables that it sets.
    package init(_ environment: [String: String]) {
        path = environment["NOTIFY_SOCKET"].flatMap { $0.isEmpty ? nil : $0 }
        let isForUs = environment["WATCHDOG_PID"].map { $0 == "\(getpid())" } ?? true
        let microseconds = environment["WATCHDOG_USEC"].flatMap { Int64($0) } ?? 0
        // A manager that wants it more often than every 2 ms, or every year, wants nothing.
        let isSensible = (2000...31_536_000_000_000).contains(microseconds)
        watchdogNanoseconds =
            path != nil && isForUs && isSensible ? microseconds * 1000 : nil
        sockets = Self.sockets(environment)
    }

    /// The listening socket that the manager has opened for a listener; nil when it has not.
    ///
    /// It is ours from then on, and no child's.
    package func listeningSocket(for listener: String) -> CInt? {
        guard let descriptor = sockets[listener] else { return nil }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return descriptor
    }

    /// The descriptors from 3 on, by the names that `FileDescriptorName=` gives them; without such
    /// names, the first is for `api` and the second for `operations` (sd_listen_fds(3)).
    private static func sockets(_ environment: [String: String]) -> [String: CInt] {
        guard environment["LISTEN_PID"] == "\(getpid())",
            let count = environment["LISTEN_FDS"].flatMap({ CInt($0) }), (1...64).contains(count)
        else { return [:] }
        let known = ["api", "operations"]
        var names = environment["LISTEN_FDNAMES"]?.split(separator: ":").map(String.init) ?? []
        if !names.contains(where: { known.contains($0) }) { names = known }
        return Dictionary(zip(names, 3..<(3 + count)), uniquingKeysWith: { first, _ in first })
    }

    /// Both listeners are bound.
    package func ready() { tell("READY=1\nSTATUS=Serving") }

    /// Configuration and certificates are read again; ``ready()`` follows.
    package func reloading() {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        let microseconds = Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
        tell("RELOADING=1\nMONOTONIC_USEC=\(microseconds)\nSTATUS=Reloading")
    }

    /// The end has begun.
    package func stopping() { tell("STOPPING=1\nSTATUS=Waiting for requests in progress") }

    /// The event loops turn.
    package func alive() { tell("WATCHDOG=1") }

    /// Sends a datagram; a manager that does not listen is no reason to stop.
    private func tell(_ text: String) {
        guard let path else { return }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // A leading @ stands for the zero byte of an abstract address.
        let bytes =
            Array(path.utf8.map { $0 == UInt8(ascii: "@") ? 0 : $0 }.prefix(1))
            + Array(path.utf8.dropFirst())
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard bytes.count < room else { return }
        // Bounds: fewer bytes than the path has room for, as was just checked.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { target in
            unsafe target.copyBytes(from: bytes)
        }
        let length = MemoryLayout<sockaddr_un>.size - room + bytes.count
        let message = Array(text.utf8)
        unsafe withUnsafePointer(to: &address) { address in
            // Bounds: the kernel reads the lengths given, which are those of the two arrays.
            _ = unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe sendto(
                    descriptor,
                    message,
                    message.count,
                    Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT),
                    address,
                    socklen_t(length)
                )
            }
        }
    }
}
