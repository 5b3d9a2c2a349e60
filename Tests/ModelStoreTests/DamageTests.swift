import Files
import ModelStore
import ModelTestSupport
import Testing

/// A damaged version is refused, whatever the damage, and nothing traps.
@Suite("Damage", .serialized) struct DamageTests {
    /// Some forty places spread over a file, its ends among them.
    private func places(_ count: Int) -> [Int] {
        let step = max(1, count / 40)
        return Array(stride(from: 0, to: count, by: step)) + [count - 1]
    }

    private func load(_ store: ModelDirectory) throws {
        let pointer = try store.current()
        _ = try ModelBundle.load(
            from: store,
            version: 1,
            manifestSHA256: pointer?.manifestSHA256 ?? ""
        )
    }

    @Test("every flipped byte is found", arguments: fileNames)
    func flipped(name: String) throws {
        let bench = try Bench(versions: 1)
        let store = bench.store
        let good = try store.bytes(name)
        let allowed: Set =
            name == ModelBundle.manifestName
            ? ["digest_mismatch", "bundle_malformed"] : ["digest_mismatch"]
        for place in places(good.count) {
            var bad = good
            bad[place] ^= 1 << UInt8(place % 8)
            try store.overwrite(name, bad)
            let found = code { try load(store) }
            #expect(allowed.contains(found), "byte \(place): \(found)")
        }
        try store.overwrite(name, good)
        #expect(code { try load(store) } == "none")
    }

    @Test("every cut and every added byte is found", arguments: fileNames)
    func cut(name: String) throws {
        let bench = try Bench(versions: 1)
        let store = bench.store
        let good = try store.bytes(name)
        for place in places(good.count) {
            try store.overwrite(name, Array(good.prefix(place)))
            let found = code { try load(store) }
            #expect(["digest_mismatch", "bundle_malformed"].contains(found), "\(place): \(found)")
        }
        try store.overwrite(name, good + [0x20])
        #expect(code { try load(store) } == "digest_mismatch")
    }

    @Test("a missing file is told as such")
    func missing() throws {
        for name in fileNames {
            let bench = try Bench(versions: 1)
            let store = bench.store
            try Folder.remove("\(store.folder(of: 1))/\(name)")
            let expected = name == ModelBundle.manifestName ? "version_missing" : "file_missing"
            #expect(code { try load(store) } == expected)
        }
    }

    /// Somebody who can write the store makes the digests fit: nothing may trap all the same.
    @Test(
        "files that are forged with fitting digests give an error or a sound model, never a trap",
        arguments: fileNames.dropFirst()
    )
    func forged(name: String) throws {
        let bench = try Bench(versions: 1)
        let store = bench.store
        let good = try store.bytes(name)
        var codes: Set<String> = []
        for place in places(good.count) {
            var bad = good
            bad[place] ^= 1 << UInt8(place % 8)
            try store.forge(name, bad)
            codes.insert(code { _ = try store.active() })
            try store.forge(name, Array(good.prefix(place)))
            codes.insert(code { _ = try store.active() })
        }
        let known: Set = ["none", "bundle_malformed", "self_test_failed"]
        #expect(codes.isSubset(of: known), "\(codes)")
        if name != ModelBundle.reportName { #expect(codes.contains("bundle_malformed")) }
    }

    @Test("a manifest that is forged byte by byte gives an error or a sound model")
    func forgedManifest() throws {
        let bench = try Bench(versions: 1)
        let store = bench.store
        let good = try store.bytes(ModelBundle.manifestName)
        for place in stride(from: 0, to: good.count, by: 29) {
            for mask in [1, 4, 16] as [UInt8] {
                var bad = good
                bad[place] ^= mask
                try store.overwrite(ModelBundle.manifestName, bad)
                let found = code { _ = try store.active() }
                let known = ["none", "bundle_malformed", "digest_mismatch", "self_test_failed"]
                #expect(known.contains(found), "byte \(place): \(found)")
            }
        }
    }

    @Test(
        "what is no pointer is told as such, and the versions still stand",
        arguments: [
            "", "\n", "1", "1 abc\n", "x \(String(repeating: "a", count: 64))\n",
            "0 \(String(repeating: "a", count: 64))\n", "-1 \(String(repeating: "a", count: 64))",
            "1 \(String(repeating: "g", count: 64))\n",
            "99999999999999999999 \(String(repeating: "a", count: 64))\n",
            "1 \(String(repeating: "a", count: 64)) more\n", "\u{0}\u{0}\u{0}",
        ]
    )
    func pointer(text: String) throws {
        let bench = try Bench(versions: 1)
        let store = bench.store
        try WholeFile.replace(store.pointerPath, Array(text.utf8))
        #expect(code { _ = try store.current() } == "bundle_malformed")
        #expect(code { _ = try ActiveModel.current(of: store) } == "bundle_malformed")
        #expect(ActiveModel.newestValid(of: store)?.version == 1)
    }

    @Test("a pointer with another digest, to another version, or of great length is refused")
    func wrongPointer() throws {
        let bench = try Bench(versions: 1)
        let store = bench.store
        let digest = String(repeating: "ab", count: 32)
        for (text, expected) in [
            ("1 \(digest)\n", "digest_mismatch"), ("7 \(digest)\n", "version_missing"),
            (String(repeating: "1", count: 300), "file_too_large"),
        ] {
            try WholeFile.replace(store.pointerPath, Array(text.utf8))
            #expect(code { _ = try ActiveModel.current(of: store) } == expected)
        }
    }

    @Test("a digest in capitals is the same digest")
    func capitals() throws {
        let bench = try Bench(versions: 1)
        let pointer = try #require(try bench.store.current())
        let text = "1 \(pointer.manifestSHA256.uppercased())\n"
        try WholeFile.replace(bench.store.pointerPath, Array(text.utf8))
        #expect(try ActiveModel.current(of: bench.store).version == 1)
    }
}
