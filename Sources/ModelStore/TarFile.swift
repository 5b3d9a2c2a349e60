/// A few plain files in one, in the form of POSIX `ustar`, which every `tar` reads and writes.
///
/// Made and read whole, in memory. The reader takes regular files below at most one folder and
/// nothing else: no links, no devices, no paths that lead anywhere.
package struct TarFile: Sendable, Equatable {
    /// The files, in their order.
    package var entries: [Entry]

    /// One file.
    package struct Entry: Sendable, Equatable {
        /// Its name, without a folder: letters, digits, `.`, `_` and `-`.
        package var name: String
        /// Its content.
        package var bytes: [UInt8]

        /// Names a content.
        package init(name: String, bytes: [UInt8]) {
            self.name = name
            self.bytes = bytes
        }
    }

    /// Why bytes are not such a file.
    package struct Malformed: Error, CustomStringConvertible {
        /// What is wrong, and at which byte.
        package let description: String
    }

    /// Most files in one.
    package static let entriesMax = 64
    private static let blockBytes = 512
    /// The largest size that eleven octal digits tell.
    private static let entryBytesMax = 0o77_777_777_777

    /// Takes files.
    package init(entries: [Entry]) { self.entries = entries }

    /// Whether bytes begin as such a file does.
    package static func isTar(_ bytes: [UInt8]) -> Bool {
        bytes.count >= blockBytes && bytes[257..<262].elementsEqual("ustar".utf8)
    }

    // MARK: Writing

    /// The file's bytes.
    ///
    /// - Parameters:
    ///   - folder: The folder that all files are put in.
    ///   - unixSeconds: When they were made; not before 1970.
    /// - Returns: The bytes.
    /// - Throws: ``Malformed`` for a name that cannot be read again.
    package func encoded(folder: String, unixSeconds: Int) throws(Malformed) -> [UInt8] {
        var result: [UInt8] = []
        for entry in entries {
            let path = "\(folder)/\(entry.name)"
            guard Self.isPlain(folder), Self.isPlain(entry.name), path.utf8.count <= 100,
                entry.bytes.count <= Self.entryBytesMax
            else { throw Malformed(description: "\(path): cannot be put into a tar file") }
            result += Self.header(path, entry.bytes.count, max(0, unixSeconds))
            result += entry.bytes
            result += [UInt8](repeating: 0, count: Self.padding(entry.bytes.count))
        }
        return result + [UInt8](repeating: 0, count: 2 * Self.blockBytes)
    }

    private static func header(_ path: String, _ size: Int, _ unixSeconds: Int) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: blockBytes)
        func put(_ text: some Sequence<UInt8>, at place: Int) {
            for (index, byte) in text.enumerated() { block[place + index] = byte }
        }
        func octal(_ value: Int, _ digits: Int) -> [UInt8] {
            let text = Array(String(value, radix: 8).utf8.suffix(digits))
            return [UInt8](repeating: UInt8(ascii: "0"), count: digits - text.count) + text
        }
        put(path.utf8, at: 0)
        put(octal(0o644, 7), at: 100)
        put(octal(0, 7), at: 108)
        put(octal(0, 7), at: 116)
        put(octal(size, 11), at: 124)
        put(octal(unixSeconds, 11), at: 136)
        block[156] = UInt8(ascii: "0")
        put("ustar\0".utf8, at: 257)
        put("00".utf8, at: 263)
        put(octal(checksum(block[...]), 6) + [0, UInt8(ascii: " ")], at: 148)
        return block
    }

    /// The sum of a header's bytes, with spaces where it stands itself.
    private static func checksum(_ block: ArraySlice<UInt8>) -> Int {
        var sum = 8 * 0x20
        for (index, byte) in block.enumerated() where !(148..<156).contains(index) {
            sum += Int(byte)
        }
        return sum
    }

    private static func padding(_ size: Int) -> Int {
        (blockBytes - size % blockBytes) % blockBytes
    }

    // MARK: Reading

    /// Reads a file's bytes.
    ///
    /// - Throws: ``Malformed``.
    package init(decoding bytes: [UInt8]) throws(Malformed) {
        entries = []
        var place = 0
        while true {
            guard bytes.count - place >= Self.blockBytes else {
                throw Malformed(description: "it ends within a header, at byte \(place)")
            }
            let block = bytes[place..<place + Self.blockBytes]
            if block.allSatisfy({ $0 == 0 }) { break }
            let header = try Header(block, at: place)
            place += Self.blockBytes
            // Compared before anything is added: a size may be any number of eleven digits.
            guard header.size <= bytes.count - place,
                header.size + Self.padding(header.size) <= bytes.count - place
            else { throw Malformed(description: "\(header.name): the file is cut short") }
            if !header.isFolder {
                guard !entries.contains(where: { $0.name == header.name }) else {
                    throw Malformed(description: "\(header.name): is there twice")
                }
                guard entries.count < Self.entriesMax else {
                    throw Malformed(description: "more than \(Self.entriesMax) files")
                }
                let content = Array(bytes[place..<place + header.size])
                entries.append(Entry(name: header.name, bytes: content))
            }
            place += header.size + Self.padding(header.size)
        }
        // After the first empty block there is a second one, and padding perhaps.
        guard bytes.count - place >= 2 * Self.blockBytes, bytes[place...].allSatisfy({ $0 == 0 })
        else { throw Malformed(description: "its end is not whole, at byte \(place)") }
    }

    private struct Header {
        let name: String
        let size: Int
        let isFolder: Bool

        init(_ block: ArraySlice<UInt8>, at place: Int) throws(Malformed) {
            let start = block.startIndex
            func field(_ offset: Int, _ count: Int) -> ArraySlice<UInt8> {
                block[start + offset..<start + offset + count].prefix { $0 != 0 }
            }
            guard block[start + 257..<start + 262].elementsEqual("ustar".utf8) else {
                throw Malformed(description: "no tar header at byte \(place)")
            }
            guard TarFile.octal(field(148, 8)) == TarFile.checksum(block) else {
                throw Malformed(description: "a damaged tar header at byte \(place)")
            }
            guard let size = TarFile.octal(field(124, 12)) else {
                throw Malformed(description: "a size that is no number at byte \(place)")
            }
            let kind = block[start + 156]
            isFolder = kind == UInt8(ascii: "5")
            guard isFolder || kind == UInt8(ascii: "0") || kind == 0 else {
                let letter = String(UnicodeScalar(kind))
                throw Malformed(
                    description: "an entry of type \(letter.debugDescription) at byte \(place): "
                        + "only plain files are taken"
                )
            }
            self.size = isFolder ? 0 : size
            // A longer name is in two parts, the first of them is the folder's.
            let path = String(decoding: field(0, 100), as: UTF8.self)
            let prefix = String(decoding: field(345, 155), as: UTF8.self)
            name = isFolder ? "" : try Self.plainName(prefix.isEmpty ? path : "\(prefix)/\(path)")
        }

        /// The last part of a path of at most one folder, each of whose parts is a plain name.
        private static func plainName(_ path: String) throws(Malformed) -> String {
            let parts = path.split(separator: "/", omittingEmptySubsequences: false)
            let named = parts.first == "." ? parts.dropFirst() : parts[...]
            guard (1...2).contains(named.count), named.allSatisfy({ TarFile.isPlain(String($0)) }),
                let name = named.last
            else {
                throw Malformed(
                    description: "\(path.prefix(100).debugDescription): expected a plain name in "
                        + "at most one folder"
                )
            }
            return String(name)
        }
    }

    /// A number in octal digits, between spaces perhaps.
    private static func octal(_ field: ArraySlice<UInt8>) -> Int? {
        let digits = field.drop { $0 == 0x20 }.prefix { $0 != 0x20 }
        guard (1...11).contains(digits.count),
            digits.allSatisfy({ (0x30...0x37).contains($0) })
        else { return nil }
        return digits.reduce(0) { $0 << 3 | Int($1 - 0x30) }
    }

    /// Whether a name is one of a file in this very folder, and not hidden.
    private static func isPlain(_ name: String) -> Bool {
        !name.isEmpty && !name.hasPrefix(".") && !name.hasPrefix("-")
            && name.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
                default: false
                }
            }
    }
}
