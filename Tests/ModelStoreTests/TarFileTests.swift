import ModelStore
import TestSupport
import Testing

/// Tar files: what is written is read, and nothing else is.
@Suite("Tar files") struct TarFileTests {
    private static let entries = [
        TarFile.Entry(name: "manifest.json", bytes: Array("{}".utf8)),
        TarFile.Entry(name: "empty", bytes: []),
        TarFile.Entry(name: "model.safetensors", bytes: [UInt8](repeating: 7, count: 1024)),
        TarFile.Entry(name: "odd_name-2.x", bytes: [UInt8](repeating: 9, count: 513)),
    ]

    private func bytes() throws -> [UInt8] {
        try TarFile(entries: Self.entries).encoded(folder: "bars-3", unixSeconds: 1_795_466_160)
    }

    /// Puts a text into the first header and makes its sum right again.
    private func changed(_ text: String, at place: Int) throws -> [UInt8] {
        var bytes = try bytes()
        for (index, byte) in text.utf8.enumerated() { bytes[place + index] = byte }
        for index in 148..<156 { bytes[index] = 0x20 }
        let sum = bytes[..<512].reduce(0) { $0 + Int($1) }
        let digits = String(sum, radix: 8)
        let text = String(repeating: "0", count: 6 - digits.count) + digits + "\0 "
        for (index, byte) in text.utf8.enumerated() { bytes[148 + index] = byte }
        return bytes
    }

    private func problem(_ bytes: [UInt8]) -> String {
        do {
            _ = try TarFile(decoding: bytes)
            return "none"
        } catch {
            return error.description
        }
    }

    @Test("what is written is read")
    func roundTrip() throws {
        let bytes = try bytes()
        #expect(bytes.count % 512 == 0)
        #expect(TarFile.isTar(bytes))
        #expect(try TarFile(decoding: bytes) == TarFile(entries: Self.entries))
        // Other writers fill up to a record of ten kilobytes.
        let padded = bytes + [UInt8](repeating: 0, count: 10_240)
        #expect(try TarFile(decoding: padded) == TarFile(entries: Self.entries))
    }

    @Test("the form is the one that is written down")
    func form() throws {
        let bytes = try bytes()
        func text(_ place: Int, _ count: Int) -> String {
            String(decoding: bytes[place..<place + count], as: UTF8.self)
        }
        #expect(text(0, 21) == "bars-3/manifest.json\0")
        #expect(text(100, 8) == "0000644\0")
        #expect(text(124, 12) == "00000000002\0")
        #expect(text(136, 12) == "15301121660\0")
        #expect(text(156, 1) == "0")
        #expect(text(257, 8) == "ustar\u{0}00")
        #expect(text(512, 2) == "{}")
    }

    @Test(
        "a name that leads anywhere is refused",
        arguments: [
            "/etc/passwd", "../manifest.json", "a/../b", "a/b/c", "a//b", ".hidden", "-rf", "a b",
            "a/", "", "ü", "a\\b", "a/.ssh",
        ]
    )
    func names(name: String) throws {
        let found = problem(try changed(name + String(repeating: "\0", count: 60), at: 0))
        #expect(found.contains("plain name"), "\(found)")
    }

    @Test(
        "anything but a plain file is refused",
        arguments: ["1", "2", "3", "4", "6", "7", "x", "g", "L", "K", "S"]
    )
    func kinds(kind: String) throws {
        #expect(problem(try changed(kind, at: 156)).contains("only plain files"))
    }

    @Test("a long name in two parts is put together, and judged as one")
    func prefix() throws {
        #expect(problem(try changed("up/down", at: 345)).contains("plain name"))
    }

    @Test(
        "a size that the file does not have is refused before anything is made",
        arguments: ["77777777777", "00000020000", "99999999999", "           ", "\u{1}0000000000"]
    )
    func sizes(size: String) throws {
        #expect(problem(try changed(size, at: 124)) != "none")
    }

    @Test("a header that was changed is noticed by its sum")
    func sum() throws {
        var bytes = try bytes()
        bytes[0] ^= 1
        #expect(problem(bytes).contains("damaged tar header"))
    }

    @Test("a file that is there twice, and too many files, are refused")
    func many() throws {
        let twice = TarFile(entries: [Self.entries[0], Self.entries[0]])
        #expect(problem(try twice.encoded(folder: "f", unixSeconds: 0)).contains("twice"))
        let many = TarFile(
            entries: (0...TarFile.entriesMax).map { TarFile.Entry(name: "f\($0)", bytes: []) }
        )
        #expect(problem(try many.encoded(folder: "f", unixSeconds: 0)).contains("more than"))
    }

    @Test("a file that is cut anywhere is refused")
    func cut() throws {
        let bytes = try bytes()
        for count in stride(from: 0, to: bytes.count, by: 64) {
            #expect(problem(Array(bytes[..<count])) != "none", "\(count)")
        }
    }

    @Test("any byte may be any other, and nothing traps")
    func damage() throws {
        let bytes = try bytes()
        for index in stride(from: 0, to: bytes.count, by: 3) {
            for value in [0, 0x2F, 0x37, 0xFF] as [UInt8] {
                var changed = bytes
                changed[index] = value
                _ = try? TarFile(decoding: changed)
            }
        }
        _ = try? TarFile(decoding: [UInt8](repeating: 0xFF, count: 2048))
    }

    @Test("a name that could not be read again is not written")
    func unwritable() {
        for name in ["a/b", "", String(repeating: "n", count: 95)] {
            let tar = TarFile(entries: [TarFile.Entry(name: name, bytes: [])])
            #expect(throws: TarFile.Malformed.self) {
                try tar.encoded(folder: "folder", unixSeconds: 0)
            }
        }
    }
}
