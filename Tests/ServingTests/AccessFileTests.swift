import Digest
import Serving
import Testing

@Suite("Access file") struct AccessFileTests {
    private let digest = String(repeating: "ab", count: 32)
    private let other = String(repeating: "cd", count: 32)

    private func problem(_ text: String) -> String {
        do {
            _ = try AccessFile(text)
            return "none"
        } catch {
            return "\(error)"
        }
    }

    @Test("callers have scopes, limits, and one credential or several")
    func callers() throws {
        let file = try AccessFile(
            """
            # Who may ask.
            shop   predict,feedback  sha256:\(digest)  rate=200 burst=400  # the web shop

            cart\tpredict\tsan:spiffe://mesh/ns/shop/sa/cart\r
            shop   feedback,predict  sha256:\(other)  rate=200 burst=400
            shop   predict,feedback  san:shop.example.com  rate=200 burst=400
            """
        )
        #expect(file.callers.map(\.name) == ["shop", "cart"])
        let shop = file.callers[0]
        #expect(shop.scopes == [.predict, .feedback] && shop.rate == 200 && shop.burst == 400)
        #expect(file.callers[1].scopes == [.predict] && file.callers[1].rate == nil)
    }

    @Test("what is wrong is told with its line, and never with a digest")
    func wrong() {
        let good = "a predict sha256:\(digest)"
        let cases = [
            ("", "names nobody"), ("# nothing\n", "names nobody"),
            ("a predict", "line 1: expected: name scopes credential"),
            ("\n\na! predict sha256:\(digest)", "line 3: a name is 1 to 64"),
            ("token predict sha256:\(digest)", "line 1: the name token is not free"),
            ("a admin sha256:\(digest)", "line 1: no scope is called \"admin\""),
            ("a predict, sha256:\(digest)", "line 1: no scope is called \"\""),
            ("a predict sha256:\(digest)ab", "line 1: expected 64 hexadecimal digits"),
            ("a predict \(digest)", "line 1: expected sha256:… (a key) or san:…"),
            ("a predict san:", "line 1: expected sha256:… (a key) or san:…"),
            (good + "\nb predict sha256:\(digest)", "line 2: the key stands on an earlier line"),
            ("a predict san:x\nb predict san:x", "line 2: x stands on an earlier line"),
            (good + "\na feedback sha256:\(other)", "line 2: a has other scopes or limits"),
            (good + "\na predict sha256:\(other) rate=1", "line 2: a has other scopes or limits"),
            (good + " rate=0", "line 1: expected rate=N or burst=N"),
            (good + " rate=x", "line 1: expected rate=N or burst=N"),
            (good + " rate=nan", "line 1: expected rate=N or burst=N"),
            (good + " fast", "line 1: expected rate=N or burst=N"),
            (good + " rate=1 rate=2", "line 1: rate and burst may stand once"),
            (good + " rate=1 burst=0.5", "line 1: rate and burst may stand once"),
            (good + " burst=5", "line 1: burst needs rate"),
        ]
        for (text, expected) in cases {
            let found = problem(text)
            #expect(found.contains(expected), "\(text): \(found)")
            #expect(!found.contains(digest))
        }
        let names = (0...AccessFile.callersMax).map { "n\($0) predict san:n\($0)" }
        #expect(problem(names.joined(separator: "\n")).contains("more than 200 names"))
        let lines = (0...AccessFile.credentialsMax).map { "n predict san:n\($0)" }
        #expect(problem(lines.joined(separator: "\n")).contains("more than 1000 credentials"))
    }

    @Test("a new key's line is one of a file, and holds the key's digest and not the key")
    func makingKeys() throws {
        var random = SystemRandomNumberGenerator()
        func make(_ name: String, _ limits: [String] = []) throws -> AccessKey {
            try AccessKey.make(
                name: name,
                scopes: "predict,feedback",
                limits: limits,
                using: &random
            )
        }
        let made = try make("shop", ["rate=5"])
        #expect(made.key.hasPrefix(AccessKey.prefix) && made.key.utf8.count == 7 + 64)
        #expect(try made.line.contains(SHA256Digest.of(Array(made.key.utf8)).hex))
        #expect(!made.line.contains(made.key.dropFirst(7)))
        #expect(try AccessFile(made.line).callers.map(\.rate) == [5])
        #expect(try make("shop").key != make("shop").key)
        #expect(throws: AccessFileError.self) { try make("no good") }
    }

    @Test("a limiter lets a burst through, then its rate, and tells how long to wait")
    func limiter() {
        let limiter = RateLimiter(rate: 10, burst: 3)
        var now: UInt64 = 5_000_000_000
        for _ in 0..<3 { #expect(limiter.take(now: now) == nil) }
        #expect(limiter.take(now: now) == 100_000_000)
        // What was refused does not count.
        #expect(limiter.take(now: now) == 100_000_000)
        now += 99_999_999
        #expect(limiter.take(now: now) == 1)
        now += 1
        #expect(limiter.take(now: now) == nil)
        #expect(limiter.take(now: now) != nil)
        // After a long pause no more than a burst is free.
        now += 3_600_000_000_000
        let passed = (0..<10).count { _ in limiter.take(now: now) == nil }
        #expect(passed == 3)
    }

    @Test("threads together get what one would", .timeLimit(.minutes(10)))
    func sharedLimiter() async {
        let limiter = RateLimiter(rate: 0.001, burst: 5000)
        let passed = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<4 {
                group.addTask { (0..<3000).count { _ in limiter.take(now: 7) == nil } }
            }
            return await group.reduce(0, +)
        }
        #expect(passed == 5000)
    }
}
