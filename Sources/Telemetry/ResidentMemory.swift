internal import CGlibc
import Glibc

/// Pages that this process has and no longer needs.
package enum ResidentMemory {
    /// Gives what was freed back to the system, so that the heap does not grow by its own gaps.
    ///
    /// Takes some hundred microseconds; for the control path.
    package static func giveBackFreedMemory() {
        _ = leeway_malloc_trim(0)
    }

    /// Unmaps code pages that only the start needed; they come back from the page cache when used.
    ///
    /// The Swift runtime looks through the whole image for protocol conformances when a type is
    /// first cast, and so leaves some 15 MB of pages resident that serving never touches again.
    /// Only read-and-execute mappings of the executable's own file are given back: nothing in them
    /// can have been written to, so that each page is read again as it was.
    package static func giveBackCodePages() {
        let maps = String(decoding: ProcessFiles.bytes(of: "/proc/self/maps"), as: UTF8.self)
        guard let program = programPath(maps) else { return }
        for line in maps.split(separator: "\n") where line.hasSuffix(" \(program)") {
            let words = line.split(separator: " ", omittingEmptySubsequences: true)
            guard words.count >= 6, words[1] == "r-xp" else { continue }
            let ends = words[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            guard ends.count == 2, ends[0] < ends[1] else { continue }
            // Bounds: exactly the mapping that the kernel has just named.
            if let start = unsafe UnsafeMutableRawPointer(bitPattern: ends[0]) {
                _ = unsafe madvise(start, Int(ends[1] - ends[0]), MADV_DONTNEED)
            }
        }
    }

    /// The file of the first mapping with a path: the kernel lists the program before libraries.
    private static func programPath(_ maps: String) -> Substring? {
        maps.split(separator: "\n").lazy
            .compactMap { line in line.firstIndex(of: "/").map { line[$0...] } }
            .first
    }
}
