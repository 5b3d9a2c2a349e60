import Glibc

/// How much this process has of what it can run out of; cheap enough to be asked often.
package enum ProcessUsage {
    /// Resident memory in bytes; nil when the kernel does not tell.
    package static func residentBytes() -> UInt64? {
        let words = ProcessFiles.bytes(of: "/proc/self/statm").split(separator: UInt8(ascii: " "))
        guard words.count > 1, let pages = UInt64(String(decoding: words[1], as: UTF8.self)) else {
            return nil
        }
        let bytes = pages.multipliedReportingOverflow(by: ProcessFiles.pageBytes)
        return bytes.overflow ? nil : bytes.partialValue
    }

    /// The memory limit of the container in bytes; nil without one.
    package static func containerBytesMax() -> UInt64? {
        for path in ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"] {
            let text = String(decoding: ProcessFiles.bytes(of: path), as: UTF8.self)
            let word = text.prefix { $0 != "\n" }
            // The older kernel interface has a number of pages near 2^63 for "no limit".
            if let bytes = UInt64(word), bytes < 1 << 60 { return bytes }
        }
        return nil
    }

    /// Processors that the affinity of this process leaves it; nil when the kernel does not tell.
    package static func processors() -> Int? {
        let lines = ProcessFiles.bytes(of: "/proc/self/status").split(separator: UInt8(ascii: "\n"))
        let word = Array("Cpus_allowed:".utf8)
        guard let line = lines.first(where: { $0.starts(with: word) }) else { return nil }
        // A mask in hexadecimal digits, with commas between groups of them.
        let count = String(decoding: line.dropFirst(word.count), as: UTF8.self)
            .compactMap(\.hexDigitValue).reduce(0) { $0 + $1.nonzeroBitCount }
        return count > 0 ? count : nil
    }

    /// Descriptors in use, at least: the lowest free number, as all below it are in use.
    ///
    /// Counting them all would take a system call for some hundred each.
    package static func descriptors() -> UInt64 {
        let probe = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard probe >= 0 else { return errno == EMFILE ? descriptorsMax() : 0 }
        _ = close(probe)
        return UInt64(probe)
    }

    /// The most descriptors that may be open.
    package static func descriptorsMax() -> UInt64 {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return .max
        }
        return UInt64(limit.rlim_cur)
    }

    /// Raises the limit of open descriptors to the most that the system lets this process have.
    ///
    /// The usual soft limit of 1024 is for programs that use `select`; this one does not.
    package static func raiseDescriptorsMax() {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard unsafe getrlimit(resource, &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        _ = unsafe setrlimit(resource, &limit)
    }
}
