import Glibc

/// Reads from `/proc`, whose files have no size of their own and change while they are read.
enum ProcessFiles {
    /// The most that is read of one file; the ones in use here are below 10 KiB.
    private static let bytesMax = 1 << 16

    /// The bytes of a file; empty when it cannot be read.
    static func bytes(of path: String) -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { _ = close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: bytesMax)
        var filled = 0
        while filled < bytes.count {
            // Bounds: the kernel is given the part of the array that is still free.
            let count = unsafe bytes.withUnsafeMutableBytes { buffer in
                let free = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
                return unsafe read(descriptor, free.baseAddress, free.count)
            }
            if count < 0, errno == EINTR { continue }
            if count <= 0 { break }
            filled += count
        }
        bytes.removeLast(bytes.count - filled)
        return bytes
    }

    /// How many descriptors this process has open; nil when the folder cannot be read.
    static func openDescriptors() -> UInt64? {
        guard let folder = unsafe opendir("/proc/self/fd") else { return nil }
        defer { _ = unsafe closedir(folder) }
        var count: UInt64 = 0
        while let entry = unsafe readdir(folder) {
            // The names are numbers, but for "." and "..".
            if unsafe entry.pointee.d_name.0 != CChar(UInt8(ascii: ".")) { count += 1 }
        }
        // One of them is the folder that was just being read.
        return count > 0 ? count - 1 : 0
    }

    /// Clock ticks in a second.
    static var ticksPerSecond: UInt64 { positive(sysconf(Int32(_SC_CLK_TCK)), otherwise: 100) }

    /// Bytes of a page.
    static var pageBytes: UInt64 { positive(sysconf(Int32(_SC_PAGESIZE)), otherwise: 4096) }

    private static func positive(_ value: Int, otherwise: UInt64) -> UInt64 {
        value > 0 ? UInt64(value) : otherwise
    }
}
