package import Features
internal import Files
package import FoundationEssentials
internal import Glibc

/// The labelled rows of one model that are kept for a retraining: `capture/<model>/`.
///
/// Every file is written whole or not at all, readable by its owner alone, and goes away when it is
/// old or when newer ones need the room.
package struct CaptureFolder: Sendable {
    /// The folder.
    package let path: String
    private let bytesMax: Int
    private let secondsMax: Double

    /// Names the folder below a state directory; nothing is made yet.
    ///
    /// - Parameters:
    ///   - state: The state directory.
    ///   - model: The model's name.
    ///   - bytesMax: Bytes of all files together.
    ///   - secondsMax: Seconds for which a file is kept.
    package init(state: String, model: String, bytesMax: Int, secondsMax: Double) {
        path = "\(state)/capture/\(model)"
        self.bytesMax = bytesMax
        self.secondsMax = secondsMax
    }

    /// A file by its name.
    private struct Kept {
        let name: String
        let milliseconds: Int64
        let bytes: Int
    }

    /// Writes files of one moment, and makes room for them first.
    ///
    /// - Parameters:
    ///   - files: Written in their order.
    ///   - now: Their moment.
    /// - Throws: ``StoreError``; ``StoreError/malformed(path:reason:)`` where they are larger than
    ///   all files together may be.
    package func add(_ files: [CapturedFile], now: Date) throws(StoreError) {
        let bytes = files.reduce(0) { $0 + $1.bytes.count }
        guard bytes <= bytesMax else {
            throw .malformed(path: path, reason: "\(bytes) bytes at once: at most \(bytesMax)")
        }
        try inStore { () throws(FileError) in
            try Folder.make(Folder.parent(of: path), mode: 0o700)
            try Folder.make(path, mode: 0o700)
        }
        try prune(now: now, room: bytes)
        let random = String(UInt32.random(in: 0...UInt32.max), radix: 16)
        let stem = "\(Self.milliseconds(now))-\(random)"
        try inStore { () throws(FileError) in
            for file in files {
                try WholeFile.add("\(path)/\(stem).\(file.suffix)", file.bytes, mode: 0o600)
            }
        }
    }

    /// Rows that were written together.
    package struct Files: Sendable, Equatable {
        /// The rows, or their images.
        package let features: String
        /// The images' labels; nil for rows of a table.
        package let labels: String?
    }

    /// The files of a folder that can be learned from, oldest first.
    ///
    /// - Parameter path: The folder.
    /// - Returns: Paths; none when there is no such folder.
    package static func files(in path: String) -> [Files] {
        let names = (try? Folder.list(path)) ?? []
        let moments = names.compactMap { name -> (Int64, String)? in
            guard !name.contains(WholeFile.temporaryInfix) else { return nil }
            return name.split(separator: "-").first.flatMap { Int64($0) }.map { ($0, name) }
        }
        return moments.sorted { $0 < $1 }.compactMap { _, name in
            if name.hasSuffix(".csv") { return Files(features: "\(path)/\(name)", labels: nil) }
            guard let stem = name.split(separator: ".").first, name.contains(".images-idx"),
                names.contains("\(stem).labels-idx1")
            else { return nil }
            return Files(features: "\(path)/\(name)", labels: "\(path)/\(stem).labels-idx1")
        }
    }

    /// Takes away what is too old, and the oldest files until there is room.
    ///
    /// - Throws: ``StoreError/file(_:)``.
    package func prune(now: Date, room: Int = 0) throws(StoreError) {
        try inStore { () throws(FileError) in
            guard Folder.isFolder(path) else { return }
            _ = try Folder.sweep(path)
            var kept = try kept()
            let oldest = Self.milliseconds(now) - Int64(secondsMax * 1000)
            var bytes = kept.reduce(room) { $0 + $1.bytes }
            while let first = kept.first, bytes > bytesMax || first.milliseconds < oldest {
                // Files of one moment belong together.
                for file in kept.prefix(while: { $0.milliseconds == first.milliseconds }) {
                    try Folder.remove("\(path)/\(file.name)")
                    bytes -= file.bytes
                }
                kept.removeFirst(kept.prefix { $0.milliseconds == first.milliseconds }.count)
            }
        }
    }

    /// Our files, oldest first; what others put there is left alone.
    private func kept() throws(FileError) -> [Kept] {
        var kept: [Kept] = []
        for name in try Folder.list(path) {
            guard let milliseconds = name.split(separator: "-").first.flatMap({ Int64($0) }),
                let bytes = try? OpenFile("\(path)/\(name)", flags: O_RDONLY).size()
            else { continue }
            kept.append(Kept(name: name, milliseconds: milliseconds, bytes: bytes))
        }
        return kept.sorted { ($0.milliseconds, $0.name) < ($1.milliseconds, $1.name) }
    }

    private static func milliseconds(_ date: Date) -> Int64 {
        Int64(min(max(date.timeIntervalSince1970, 0), 1e12) * 1000)
    }
}
