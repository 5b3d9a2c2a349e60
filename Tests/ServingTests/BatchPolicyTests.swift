import NeuralNetwork
import Serving
import Synchronization
import Testing

/// What measured costs and settings come to.
@Suite("Batch policy") struct BatchPolicyTests {
    /// A network whose weights come from memory: eight rows take little longer than one.
    private let large = ComputeCost(
        row: 3_000_000,
        furtherRow: 400_000,
        products: [
            .init(rows: 1, nanoseconds: 3_000_000), .init(rows: 4, nanoseconds: 3_000_000),
            .init(rows: 8, nanoseconds: 3_400_000), .init(rows: 16, nanoseconds: 7_000_000),
            .init(rows: 32, nanoseconds: 13_000_000),
        ]
    )
    private let small = ComputeCost(row: 2_000, furtherRow: 900)

    @Test("a small network is computed on the event loop, until its rows are many")
    func inlineRows() {
        let policy = BatchPolicy(BatchSettings(), small)
        #expect(policy.inlineRowsMax == 1 + 198_000 / 900)
        #expect(policy.queueLimit == .init(standing: 5_000_000, burst: 50_000_000))
    }

    @Test("a large network is never computed on the event loop, unless that is forced")
    func modes() {
        #expect(BatchPolicy(BatchSettings(), large).inlineRowsMax == 0)
        #expect(BatchPolicy(BatchSettings(mode: .inline), large).inlineRowsMax == .max)
        #expect(BatchPolicy(BatchSettings(mode: .queue), small).inlineRowsMax == 0)
        let patient = BatchSettings(inlineNanosecondsMax: 4_000_000)
        #expect(BatchPolicy(patient, large).inlineRowsMax == 3)
    }

    @Test("products are as large as costs a request little, and waiting is what is left of it")
    func chosen() {
        let policy = BatchPolicy(BatchSettings(), large)
        #expect(policy.rowsMax == 8)
        #expect(policy.queueLimit.standing == 3 * 3_000_000 - 3_400_000)
        #expect(policy.share(rows: 1) == 425_000)
        #expect(policy.share(rows: 8) == 3_400_000)
        #expect(policy.share(rows: 16) == 7_000_000)
    }

    @Test("what is configured stands")
    func configured() {
        let settings = BatchSettings(
            rowsMax: 32,
            delayNanoseconds: 7,
            queueNanosecondsMax: 1_000_000_000
        )
        let policy = BatchPolicy(settings, large)
        #expect(policy.rowsMax == 32)
        #expect(policy.delayNanoseconds == 7)
        #expect(policy.queueLimit == .init(standing: 1_000_000_000, burst: 0))
    }

    @Test("costs between and beyond what was measured follow the line")
    func interpolation() {
        #expect(large.inBatcher(rows: 1) == 3_000_000)
        #expect(large.inBatcher(rows: 6) == 3_200_000)
        #expect(large.inBatcher(rows: 12) == 5_200_000)
        #expect(large.inBatcher(rows: 48) == 19_000_000)
        #expect(large.onOneThread(rows: 3) == 3_800_000)
        #expect(small.inBatcher(rows: 11) == 11_000)
        let one = ComputeCost(
            row: 5,
            furtherRow: 5,
            products: [.init(rows: 4, nanoseconds: 20)]
        )
        #expect(one.inBatcher(rows: 8) == 40)
    }

    @Test("numbers of any size trap nowhere")
    func extremes() {
        let absurd = ComputeCost(row: .max, furtherRow: .max)
        #expect(absurd.onOneThread(rows: .max) == 1_000_000_000_000_000)
        #expect(absurd.inBatcher(rows: .max) <= 1_000_000_000_000_000)
        let policy = BatchPolicy(BatchSettings(inlineNanosecondsMax: .max), absurd)
        #expect(policy.inlineRowsMax == 1)
        #expect(policy.share(rows: .max) > 0)
        let nothing = ComputeCost(row: 0, furtherRow: 0)
        #expect(BatchPolicy(BatchSettings(), nothing).inlineRowsMax > 1 << 10)
    }

    @Test("a network is measured: only a large one with all threads, and with more and more rows")
    func measured() throws {
        let network = try MultilayerPerceptron(
            inputWidth: 4,
            hidden: [3],
            outputWidth: 2,
            activation: .relu,
            head: .softmax,
            seed: 1
        )
        // A clock whose every reading is a microsecond later.
        let time = Atomic<UInt64>(0)
        let clock = { time.wrappingAdd(1000, ordering: .relaxed).newValue }
        let cheap = ComputeCost.measured(
            network,
            threads: 2,
            inlineNanosecondsMax: 1000,
            clock: clock
        )
        #expect(cheap.row == 1000)
        #expect(cheap.products.map(\.rows) == [1, 2])
        let dear = ComputeCost.measured(
            network,
            threads: 2,
            inlineNanosecondsMax: 999,
            clock: clock
        )
        #expect(dear.products.map(\.rows) == [1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256])
        #expect(dear.products.allSatisfy { $0.nanoseconds == 1000 })
    }
}
