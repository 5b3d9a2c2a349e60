import Drift
import FoundationEssentials
import Testing

@Suite("Pixel map") struct PixelMapTests {
    /// A profile of 2×3 pictures, each value 100 ± 10 on the hold-out.
    private func profile() throws -> ReferenceProfile {
        let stream = try #require(knownProfile([[0.5, 0.5]]).streams.first)
        var profile = try ReferenceProfile(
            holdoutRows: 100,
            rawWidth: 6,
            outputWidth: 1,
            frame: try FrameGeometry(shape: [2, 3]),
            failureProbability: 0.001,
            columnsUnwatched: 0,
            streams: [stream]
        )
        var builder = PixelBuilder(profile.frame)
        let raw = (0..<100).flatMap { [Float](repeating: $0 % 2 == 0 ? 90 : 110, count: 6) }
        builder?.add(raw: raw.span)
        profile.pixels = builder?.finish()
        return profile
    }

    @Test("the pixel that has become brighter is found, and by how much")
    func brighter() throws {
        let profile = try profile()
        #expect(profile.pixels?.means == [Float](repeating: 100, count: 6))
        #expect(profile.pixels?.deviations == [Float](repeating: 10, count: 6))
        var counter = try #require(PixelCounter(profile.pixels))
        var window = try #require(PixelWindow(profile))
        let row: [Float] = [100, 100, 100, 100, 125, 90]
        for _ in 0..<16 * 7 { counter.count(row.span) }
        let few = counter.take()
        window.fold(try #require(few))
        #expect(few?.rows == 7)
        #expect(window.map == nil)
        for _ in 0..<16 * 20 { counter.count(row.span) }
        let more = counter.take()
        window.fold(try #require(more))
        let map = try #require(window.map)
        #expect((20...27).contains(map.rows))
        #expect(abs(map.live[4] - 125) < 1e-3)
        #expect(abs(map.change[4] - 2.5) < 1e-3 && abs(map.change[5] + 1) < 1e-3)
        let first = try #require(map.top.first)
        #expect(first.row == 1 && first.column == 1 && first.channel == 0)
        #expect(map.top.count == 2)
        #expect(map.grey(map.live).count == 6)
        #expect(map.grey([1]).isEmpty)
        let rest = counter.take()
        #expect(rest == nil)
    }

    @Test("old images fade, and rows that are none are left out")
    func fading() throws {
        let profile = try profile()
        var counter = try #require(PixelCounter(profile.pixels))
        var window = try #require(PixelWindow(profile))
        for level in [Float(0), 200] {
            for _ in 0..<40 {
                let row = [Float](repeating: level, count: 6)
                for _ in 0..<16 * 64 { counter.count(row.span) }
                let sums = counter.take()
                window.fold(try #require(sums))
            }
        }
        let before = try #require(window.map)
        #expect(before.live.allSatisfy { $0 > 199 })
        let strange: [[Float]] = [[.nan, 0, 0, 0, 0, 0], [0, 0]]
        for row in strange { for _ in 0..<64 { counter.count(row.span) } }
        let nothing = counter.take()
        #expect(nothing == nil)
        #expect(window.map == before)
    }

    @Test("channels and planes are told apart, and large images have no map")
    func layouts() throws {
        #expect(PixelBuilder(try FrameGeometry(shape: [65, 64])) == nil)
        #expect(PixelBuilder(nil) == nil)
        let profile = try profile()
        let text = String(decoding: try JSONEncoder().encode(profile), as: UTF8.self)
        #expect(try JSONDecoder().decode(ReferenceProfile.self, from: Data(text.utf8)) == profile)
        let damaged = text.replacing("\"means\":[100,", with: "\"means\":[")
        #expect(throws: (any Error).self) {
            try JSONDecoder().decode(ReferenceProfile.self, from: Data(damaged.utf8))
        }
    }
}
