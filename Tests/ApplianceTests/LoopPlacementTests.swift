import Appliance
import NIOCore
import NIOPosix
import Telemetry
import Testing

@Suite("Where event loops run while a trainer does") struct LoopPlacementTests {
    private static func places(_ loops: [any EventLoop]) async throws -> [ProcessorSet?] {
        var places: [ProcessorSet?] = []
        for loop in loops { places.append(try await loop.submit { ProcessorSet.current }.get()) }
        return places
    }

    @Test("each has a processor of its own, until the last trainer ends")
    func apart() async throws {
        let all = try #require(ProcessorSet.current)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: all.numbers.count)
        let loops = group.makeIterator().map { $0 }
        let placement = LoopPlacement(loops)
        let own = all.numbers.map { ProcessorSet([$0]) }
        #expect(try await Self.places(loops) == loops.map { _ in all })
        let meanwhile = try await placement.apart { () async throws -> [[ProcessorSet?]] in
            let first = try await Self.places(loops)
            let both = try await placement.apart { try await Self.places(loops) }
            return [first, both, try await Self.places(loops)]
        }
        #expect(meanwhile == [own, own, own])
        #expect(try await Self.places(loops) == loops.map { _ in all })
        await #expect(throws: CancellationError.self) {
            try await placement.apart { () async throws -> Void in throw CancellationError() }
        }
        #expect(try await Self.places(loops) == loops.map { _ in all })
        try await group.shutdownGracefully()
    }

    @Test("more loops than processors are left alone")
    func tooMany() async throws {
        let all = try #require(ProcessorSet.current)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: all.numbers.count + 1)
        let loops = group.makeIterator().map { $0 }
        let meanwhile = try await LoopPlacement(loops).apart { try await Self.places(loops) }
        #expect(meanwhile == loops.map { _ in all })
        try await group.shutdownGracefully()
    }

    @Test("a processor that no system has is left out of a set, and an empty set is not adopted")
    func outOfRange() {
        #expect(ProcessorSet([1 << 40, -1, 3]).numbers == [3])
        #expect(!ProcessorSet([-1]).adopt())
    }
}
