import Drift
import FoundationEssentials
import Testing

/// A model of three classes that is surer than it should be, and rows of known difficulty.
private struct OverconfidentModel {
    var generator: SeededGenerator
    let shape = PredictionShape.classes(count: 3)

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    /// The probabilities and the label of a row; `hardness` draws true chances towards a third.
    mutating func row(hardness: Double) -> (outputs: [Float], label: Int) {
        var truth = (0..<3).map { _ in generator.uniform() * generator.uniform() + 0.01 }
        truth[generator.draw([0.5, 0.3, 0.2])] += 2 * (1 - hardness) * generator.uniform() + 0.2
        let sum = truth.reduce(0, +)
        truth = truth.map { $0 / sum }
        let label = generator.draw(truth)
        // The square of the true chances: too sure.
        let sure = truth.map { $0 * $0 }
        let total = sure.reduce(0, +)
        return (sure.map { Float($0 / total) }, label)
    }

    mutating func known(rows: Int) throws -> PerformanceReference {
        var builder = PerformanceBuilder(shape: shape, rowCount: rows)
        for _ in 0..<rows {
            let row = row(hardness: 0.2)
            builder.add(outputs: row.outputs.span, label: row.label)
        }
        return try #require(builder.finish())
    }
}

extension PerformanceCounter {
    /// What was counted, which must be something.
    fileprivate mutating func taken() throws -> PerformanceCounts {
        let counts = take()
        return try #require(counts)
    }
}

@Suite("Performance without labels") struct PerformanceTests {
    @Test("isotonic regression pools what falls, and joins rows of one score first")
    func isotonic() {
        let fitted = IsotonicCalibrator(
            scores: [0.1, 0.1, 0.2, 0.2, 0.2, 0.2, 0.2, 0.4, 0.6, 0.8, .nan],
            outcomes: [true, false, false, true, true, true, true, true, false, true, true]
        )
        // 0.2: 4 of 5; 0.4 (1) and 0.6 (0) are pooled with it: 5 of 7; then 0.8: 1.
        #expect(fitted.scores == [0.1, 0.2, 0.6, 0.8])
        let expected: [Float] = [0.5, 5.0 / 7, 5.0 / 7, 1]
        #expect(zip(fitted.shares, expected).allSatisfy { abs($0 - $1) < 1e-6 })
        #expect(fitted.share(of: -1) == 0.5)
        #expect(abs(fitted.share(of: 0.15) - (0.5 + 5.0 / 7) / 2) < 1e-6)
        #expect(abs(fitted.share(of: 0.7) - (1 + 5.0 / 7) / 2) < 1e-6)
        #expect(fitted.share(of: 2) == 1)
        #expect(fitted.share(of: .nan) == 0.5)
        #expect(IsotonicCalibrator(scores: [], outcomes: []) == .identity)
        #expect(IsotonicCalibrator.identity.share(of: 0.3) == 0.3)
        let single = IsotonicCalibrator(scores: [0.5, 0.5], outcomes: [true, false])
        #expect(single.share(of: 0.9) == 0.5)
    }

    @Test("a calibrator is kept where scores are off, and not where they are right")
    func check() {
        var generator = SeededGenerator(seed: 21)
        let chances = (0..<2000).map { _ in generator.uniform() }
        let outcomes = chances.map { generator.uniform() < $0 }
        let squared = chances.map { Float($0 * $0) }
        #expect(CalibrationCheck.helps(scores: squared, outcomes: outcomes))
        let right = chances.map { Float($0) }
        let isNeedless = CalibrationCheck.helps(scores: right, outcomes: outcomes)
        #expect(!isNeedless)
        #expect(!CalibrationCheck.helps(scores: [0.5], outcomes: [true]))
        #expect(
            !CalibrationCheck.helps(scores: squared, outcomes: squared.map { _ in true })
        )
    }

    @Test("CBPE and ATC follow the accuracy of harder rows, where the model's own words do not")
    func estimates() throws {
        var model = OverconfidentModel(seed: 22)
        let reference = try model.known(rows: 6000)
        var monitor = try #require(
            PerformanceMonitor(reference, tolerance: 0.02, falseAlarmInterval: 1e9)
        )
        var counter = try #require(PerformanceCounter(reference))
        var correct = 0
        var sureness = 0.0
        let rows = 6000
        for _ in 0..<rows {
            let row = model.row(hardness: 0.8)
            counter.count(row.outputs.span)
            let top = row.outputs.max() ?? 0
            sureness += Double(top)
            correct += row.outputs.firstIndex(of: top) == row.label ? 1 : 0
        }
        let isRaised = monitor.fold(try counter.taken())
        #expect(isRaised == monitor.isRaised)
        let estimate = monitor.estimate
        let truth = Double(correct) / Double(rows)
        #expect(truth < reference.accuracy - 0.05)
        let cbpe = try #require(estimate.cbpe)
        #expect(abs(cbpe.accuracy - truth) < 0.03)
        // By a threshold the fall is seen, though not its size: these rows are of another kind.
        #expect((estimate.atc?.accuracy ?? 1) < reference.accuracy - 0.05)
        #expect(sureness / Double(rows) - truth > 0.08)
        #expect(
            abs((estimate.calibrationGap ?? 0) - (sureness / Double(rows) - cbpe.accuracy)) < 1e-4
        )
        #expect((0.005...0.012).contains(cbpe.standardError))
        #expect(estimate.rows == UInt64(rows))
        #expect(estimate.caution.contains("blind to concept drift"))
        #expect(estimate.labelShift != nil)
    }

    @Test("harder rows raise the alarm, rows like the hold-out's do not, and few say nothing")
    func alarm() throws {
        var model = OverconfidentModel(seed: 23)
        let reference = try model.known(rows: 4000)
        var monitor = try #require(
            PerformanceMonitor(reference, tolerance: 0.02, falseAlarmInterval: 1e7)
        )
        var counter = try #require(PerformanceCounter(reference))
        func fold(_ rows: Int, hardness: Double) -> Bool {
            for _ in 0..<rows {
                let outputs = model.row(hardness: hardness).outputs
                counter.count(outputs.span)
            }
            return counter.take().map { monitor.fold($0) } ?? false
        }
        let isHasty = fold(100, hardness: 0.2)
        #expect(!isHasty)
        #expect(monitor.estimate.cbpe == nil)
        let isEarly = (0..<60).contains { _ in fold(50, hardness: 0.2) }
        #expect(!isEarly && !monitor.isRaised)
        let before = monitor.estimate.evidence
        let isFound = (0..<100).contains { _ in fold(50, hardness: 0.9) }
        #expect(isFound && monitor.isRaised)
        #expect(monitor.estimate.evidence > before)
        #expect(monitor.estimate.changedAfterRow >= 2000)

        let saved = monitor.state
        var other = try #require(
            PerformanceMonitor(reference, tolerance: 0.02, falseAlarmInterval: 1e7)
        )
        other.restore(
            try JSONDecoder().decode(
                PerformanceMonitor.State.self,
                from: JSONEncoder().encode(saved)
            )
        )
        #expect(other.estimate == monitor.estimate)
        var strange = try #require(
            PerformanceMonitor(reference, tolerance: 0.1, falseAlarmInterval: 1e7)
        )
        strange.restore(saved)
        #expect(!strange.isRaised)

        monitor.acknowledge()
        #expect(!monitor.isRaised)
        for _ in 0..<12 { monitor.rotatePane() }
        #expect(monitor.estimate.rows == 0)
    }

    @Test("counts of several loops add up, in any order, and foreign ones are refused")
    func counts() throws {
        var model = OverconfidentModel(seed: 24)
        let reference = try model.known(rows: 500)
        var parts: [PerformanceCounts] = []
        var whole = try #require(PerformanceCounter(reference))
        for _ in 0..<3 {
            var part = try #require(PerformanceCounter(reference))
            for _ in 0..<40 {
                let row = model.row(hardness: 0.3)
                part.count(row.outputs.span)
                whole.count(row.outputs.span)
            }
            parts.append(try part.taken())
        }
        var forth = parts[0]
        forth.add(parts[1])
        forth.add(parts[2])
        var back = parts[2]
        back.add(parts[0])
        back.add(parts[1])
        #expect(forth == back)
        let all = try whole.taken()
        #expect(all == forth)
        forth.add(PerformanceCounts(classCount: 7))
        #expect(forth == all)
        whole.count([0.5, 0.5].span)
        whole.count([.nan, .nan, .nan].span)
        let nothing = whole.take()
        #expect(nothing == nil)
    }

    @Test("a reference is read as it was written, and refused when it contradicts itself")
    func codable() throws {
        var model = OverconfidentModel(seed: 25)
        var profile = try knownProfile([[0.5, 0.5]])
        profile.performance = try model.known(rows: 500)
        let bytes = try JSONEncoder().encode(profile)
        // The profile's one output is not the model's three.
        #expect(throws: (any Error).self) {
            try JSONDecoder().decode(ReferenceProfile.self, from: bytes)
        }
        var binary = PerformanceBuilder(shape: .binary, rowCount: 600)
        var generator = SeededGenerator(seed: 26)
        for _ in 0..<600 {
            let chance = generator.uniform()
            binary.add(
                outputs: [Float(chance * chance)].span,
                label: generator.uniform() < chance ? 1 : 0
            )
        }
        profile.performance = binary.finish()
        let text = String(decoding: try JSONEncoder().encode(profile), as: UTF8.self)
        #expect(try JSONDecoder().decode(ReferenceProfile.self, from: Data(text.utf8)) == profile)
        let damaged = text.replacing("\"confusion\":[[", with: "\"confusion\":[[-")
        #expect(throws: (any Error).self) {
            try JSONDecoder().decode(ReferenceProfile.self, from: Data(damaged.utf8))
        }
        #expect(PerformanceCounter(nil) == nil)
    }

    @Test("a regression's wrong answers are the tenth of the hold-out that is farthest off")
    func regression() throws {
        var builder = PerformanceBuilder(shape: .value(width: 1), rowCount: 1000)
        for row in 0..<1000 { builder.add(value: Float(row), truth: 0) }
        builder.add(value: .nan, truth: 0)
        let reference = try #require(builder.finish())
        #expect(reference.errorLimit == 899)
        #expect(reference.risk == HoldoutRisk(rows: 1000, errors: 100))
        #expect(reference.estimation == nil)
        #expect(PerformanceCounter(reference) == nil)
        #expect(PerformanceBuilder(shape: .binary, rowCount: 0).finish() == nil)
    }
}

@Suite("Label shift") struct LabelShiftTests {
    /// Rows by answer and label, for classes whose rows are answered by known chances.
    private func count(
        _ rows: Int,
        _ shares: [Double],
        _ chances: [[Double]],
        _ generator: inout SeededGenerator
    ) -> [[Int]] {
        var counts = shares.map { _ in shares.map { _ in 0 } }
        for _ in 0..<rows {
            let label = generator.draw(shares)
            counts[generator.draw(chances[label])][label] += 1
        }
        return counts
    }

    @Test("label shares are found within 0.02 by 10,000 answers, and their errors are told")
    func tenClasses() throws {
        var generator = SeededGenerator(seed: 31)
        let even = [Double](repeating: 0.1, count: 10)
        // Nine in ten are right; the others fall on the next two classes.
        let chances = (0..<10).map { label in
            (0..<10).map { $0 == label ? 0.9 : ($0 - label + 10) % 10 <= 2 ? 0.05 : 0 }
        }
        var scores: [Double] = []
        for round in 0..<5 {
            let confusion = count(10_000, even, chances, &generator)
            // At random; one class has vanished; one has become five times as frequent.
            var shares = generator.law(10)
            if round == 3 { shares = (0..<10).map { $0 == 3 ? 0 : 1.0 / 9 } }
            if round == 4 { shares = (0..<10).map { $0 == 3 ? 0.5 : 0.5 / 9 } }
            let live = count(10_000, shares, chances, &generator)
            let answers = live.map { UInt64($0.reduce(0, +)) }
            let found = try #require(LabelShift(confusion: confusion, answers: answers))
            #expect(!found.isRegularised)
            #expect(abs(found.shares.reduce(0, +) - 1) < 1e-9)
            for label in 0..<10 {
                let truth = Double(live.reduce(0) { $0 + $1[label] }) / 10_000
                #expect(abs(found.shares[label] - truth) < 0.02)
                #expect(abs(found.shares[label] - shares[label]) < 0.02)
                let score = (found.shares[label] - shares[label]) / found.standardErrors[label]
                scores.append(score * score)
            }
        }
        // The errors have the size that is told.
        #expect((0.5...1.6).contains(scores.reduce(0, +) / Double(scores.count)))
    }

    @Test("classes that are answered alike are not told apart by chance")
    func illConditioned() throws {
        var generator = SeededGenerator(seed: 32)
        let chances = [[0.34, 0.33, 0.33], [0.33, 0.34, 0.33], [0.1, 0.1, 0.8]]
        let confusion = count(3000, [0.4, 0.4, 0.2], chances, &generator)
        let live = count(3000, [0.4, 0.4, 0.2], chances, &generator)
        let answers = live.map { UInt64($0.reduce(0, +)) }
        let found = try #require(LabelShift(confusion: confusion, answers: answers))
        #expect(found.isRegularised)
        #expect(found.condition > LabelShift.conditionMax)
        for (share, truth) in zip(found.shares, [0.4, 0.4, 0.2]) {
            #expect(abs(share - truth) < 0.1)
        }
    }

    @Test("what cannot be solved is not")
    func degenerate() {
        #expect(LabelShift(confusion: [], answers: []) == nil)
        #expect(LabelShift(confusion: [[1]], answers: [1]) == nil)
        #expect(LabelShift(confusion: [[5, 0], [5, 0]], answers: [3, 4]) == nil)
        #expect(LabelShift(confusion: [[5, 1], [1, 5]], answers: [0, 0]) == nil)
        #expect(LabelShift(confusion: [[5, 1], [1]], answers: [3, 4]) == nil)
    }
}
