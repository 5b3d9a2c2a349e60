import ModelStore
import ModelTestSupport
import NIOCore
import NIOPosix
import Serving
import Telemetry
import Testing
import TestSupport

/// The batcher's thread, with a small model; what it must wait for it is told by messages.
@Suite("Batcher") struct BatcherTests {
    private struct Bench {
        let group: MultiThreadedEventLoopGroup
        let batcher: Batcher
        let models: [ActiveModel]
        let policy: BatchPolicy
        let products: Histogram

        var worker: any EventLoop { group.next() }

        func job(_ line: Int, model: Int = 0, on loop: any EventLoop, _ seen: Seen<BatchAnswer>)
            -> BatchJob
        {
            BatchJob(
                model: models[model],
                policy: policy,
                inputs: (0..<9).map { $0 / 3 == line ? 1 : 0 },
                rowCount: 1,
                ticket: BatchTicket(),
                submitted: NIODeadline.now().uptimeNanoseconds,
                products: products,
                loop: loop
            ) { answer in
                loop.preconditionInEventLoop()
                seen.append(answer)
            }
        }
    }

    private func run(rowsMax: Int = 8, _ body: (Bench, any EventLoop) async throws -> Void)
        async throws
    {
        let folder = try TemporaryDirectory()
        let store = ModelDirectory(state: folder.path, model: "lines")
        for sharpness in [2, 5] { try store.publishTiny(sharpness: Float(sharpness)) }
        let worker = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let clients = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let bench = Bench(
            group: worker,
            batcher: try await Batcher.make(on: worker.next(), threads: 2),
            models: try [store.active(1), store.active(2)],
            policy: BatchPolicy(
                BatchSettings(mode: .queue, rowsMax: rowsMax),
                ComputeCost(row: 1 << 20, furtherRow: 1 << 20)
            ),
            products: try MetricRegistry(shards: 0).histogram(
                "leeway_batch_rows",
                help: "Rows.",
                unit: .count,
                bounds: HistogramBounds.rows
            ).series([])
        )
        do {
            try await body(bench, clients.next())
        } catch {
            for group in [worker, clients] { try await group.shutdownGracefully() }
            throw error
        }
        for group in [worker, clients] { try await group.shutdownGracefully() }
    }

    /// Waits until the worker and the client's loop have done what they were told before.
    private func settle(
        _ bench: Bench,
        _ loop: any EventLoop,
        _ seen: Seen<BatchAnswer>,
        _ count: Int
    ) async throws {
        while seen.all.count < count {
            try await bench.worker.submit {}.get()
            try await loop.submit {}.get()
        }
    }

    @Test("rows that wait for one version are one product, and each gets its own answer")
    func product() async throws {
        try await run { bench, loop in
            let seen = Seen<BatchAnswer>()
            try await bench.worker.whileBlocked {
                for line in 0..<3 { bench.batcher.submit(bench.job(line, on: loop, seen)) }
                #expect(bench.batcher.load.wait(now: 0) > 0)
            }
            try await settle(bench, loop, seen, 3)
            let expected = try (0..<3).map { line in
                try TinyModel.answers(
                    TinyModel.network(sharpness: 2),
                    TinyModel.schema(),
                    (0..<9).map { $0 / 3 == line ? 255 : 0 }
                )
            }
            #expect(seen.all.map(\.probabilities) == expected)
            #expect(seen.all.allSatisfy { $0.rowCount == 1 && $0.logits.count == 3 })
            #expect(seen.all.map(\.productRows) == [3, 3, 3])
            #expect(bench.products.countAndRawSum == (1, 3))
            #expect(bench.batcher.load.wait(now: 0) == 0)
        }
    }

    @Test("a product is of one version, and has no more rows than it may")
    func versions() async throws {
        try await run(rowsMax: 2) { bench, loop in
            let seen = Seen<BatchAnswer>()
            try await bench.worker.whileBlocked {
                for model in [0, 1, 0, 1, 0] {
                    bench.batcher.submit(bench.job(1, model: model, on: loop, seen))
                }
            }
            try await settle(bench, loop, seen, 5)
            #expect(seen.all.map(\.productRows) == [2, 2, 2, 2, 1])
            let sure = seen.all.map { $0.probabilities[1] }
            #expect(sure[0] == sure[1] && sure[2] == sure[3] && sure[0] == sure[4])
            #expect(sure[2] > sure[0])
        }
    }

    @Test("what is withdrawn before it is begun is neither computed nor answered")
    func withdrawn() async throws {
        try await run { bench, loop in
            let seen = Seen<BatchAnswer>()
            let jobs = (0..<3).map { bench.job($0, on: loop, seen) }
            try await bench.worker.whileBlocked {
                for job in jobs { bench.batcher.submit(job) }
                #expect(bench.batcher.withdraw(jobs[1].ticket, jobs[1].share))
                #expect(!bench.batcher.withdraw(jobs[1].ticket, jobs[1].share))
            }
            try await settle(bench, loop, seen, 2)
            #expect(seen.all.map(\.productRows) == [2, 2])
            #expect(!bench.batcher.withdraw(jobs[0].ticket, jobs[0].share))
            #expect(bench.batcher.load.wait(now: 0) == 0)
        }
    }

    @Test("a version is let go on the batcher's thread")
    func release() async throws {
        try await run { bench, _ in
            weak var model: ActiveModel?
            do {
                let folder = try TemporaryDirectory()
                let store = ModelDirectory(state: folder.path, model: "lines")
                try store.publishTiny()
                let loaded = try store.active()
                model = loaded
                bench.batcher.release(loaded)
            }
            try await bench.worker.submit {}.get()
            #expect(model == nil)
        }
    }
}
