import NeuralNetwork
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite("Calibration") struct CalibrationTests {
    /// Rows whose classes are drawn from the softmax of their logits, which are then multiplied:
    /// the right temperature is the factor.
    private func rows(_ count: Int, classes: Int = 4, factor: Float, seed: UInt64 = 1)
        -> CalibrationRows
    {
        var random = RandomSource(seed: seed, stream: 7)
        var rows = CalibrationRows(head: .softmax, outputs: classes)
        for _ in 0..<count {
            let logits = (0..<classes).map { _ in 4 * random.nextUnit() - 2 }
            let powers = logits.map { exp(Double($0)) }
            var place = Double(random.nextUnit()) * powers.reduce(0, +)
            var truth = 0
            while truth < classes - 1, place >= powers[truth] {
                place -= powers[truth]
                truth += 1
            }
            let scaled = logits.map { $0 * factor }
            rows.append(scaled.span, truth: Int32(truth))
        }
        return rows
    }

    @Test(
        "the temperature is found that the logits were multiplied with",
        arguments: [0.4, 1, 2.5]
    )
    func recovers(factor: Float) throws {
        let rows = rows(6000, factor: factor)
        let found = try #require(rows.fitted()).value
        #expect(abs(found / factor - 1) < 0.08)
        // No other temperature has a smaller loss.
        let least = rows.figures { _ in Temperature(found) }.logLoss
        for other in [found * 0.9, found * 1.1] {
            #expect(rows.figures { _ in Temperature(other) }.logLoss > least)
        }
    }

    @Test("overconfident answers are brought to their true confidence")
    func improves() throws {
        let calibration = rows(4000, factor: 3).calibrated()
        let after = try #require(calibration.after)
        #expect(try #require(calibration.temperature).value > 2)
        #expect(after.logLoss < calibration.before.logLoss)
        #expect(after.expectedError < 0.5 * calibration.before.expectedError)
        #expect(after.brier < calibration.before.brier)
        #expect(calibration.rows == 4000)
    }

    @Test("few rows get no temperature")
    func tooFew() {
        let few = rows(CalibrationRows.rowsMin - 1, factor: 3).calibrated()
        #expect(few.temperature == nil && few.after == nil && few.before.logLoss > 0)
        #expect(CalibrationRows(head: .softmax, outputs: 3).calibrated().temperature == nil)
    }

    @Test("a temperature that does not help the other half of the rows is not taken")
    func noHelp() throws {
        // Rows that are calibrated already: whether a fitted temperature helps is a matter of luck.
        var taken = 0
        for seed in UInt64(1)...20 {
            let calibration = rows(200, factor: 1, seed: seed).calibrated()
            let after = try #require(calibration.after)
            let helps = after.logLoss < calibration.before.logLoss
            #expect((calibration.temperature != nil) == helps)
            taken += helps ? 1 : 0
        }
        #expect(taken < 20)
    }

    @Test("rows that are all right end at the least temperature, which then is not taken")
    func separable() throws {
        var rows = CalibrationRows(head: .softmax, outputs: 3)
        for index in 0..<300 {
            var logits: [Float] = [0, 0, 0]
            logits[index % 3] = 1
            rows.append(logits.span, truth: Int32(index % 3))
        }
        let found = try #require(rows.fitted()).value
        #expect(Temperature.range.contains(found) && found < 0.051)
        let calibration = rows.calibrated()
        let after = try #require(calibration.after).logLoss
        #expect(calibration.temperature == nil && after < calibration.before.logLoss)
        #expect(Temperature(0.01) == nil && Temperature(.nan) == nil && Temperature(21) == nil)
    }

    @Test("figures are those of the definitions")
    func figures() {
        var tally = CalibrationTally()
        // Confidence 0.8, right, and 0.8, wrong: both in one bin, so 0.8 against 0.5.
        tally.add(CalibrationScore([0.8, 0.2].span, truth: 0))
        tally.add(CalibrationScore([0.8, 0.2].span, truth: 1))
        // Alone in its bin and wrong.
        tally.add(CalibrationScore([0.4, 0.6].span, truth: 0))
        let figures = tally.figures
        let logLoss = -(log(0.8) + log(0.2) + log(0.4)) / 3
        #expect(abs(figures.logLoss - logLoss) < 1e-12)
        #expect(abs(figures.expectedError - (0.6 + 0.6) / 3) < 1e-12)
        #expect(abs(figures.brier - (0.08 + 1.28 + 0.72) / 3) < 1e-12)
        #expect(tally.count == 3 && tally.correct == 1)
        let none = CalibrationFigures(logLoss: 0, expectedError: 0, brier: 0)
        #expect(CalibrationTally().figures == none)
    }

    @Test("one logit counts as the second of two", arguments: [0.5, 3])
    func binary(factor: Float) throws {
        var random = RandomSource(seed: 3, stream: 1)
        var (one, two) = (
            CalibrationRows(head: .sigmoid, outputs: 1), CalibrationRows(head: .softmax, outputs: 2)
        )
        for _ in 0..<500 {
            let logit = 6 * random.nextUnit() - 3
            let truth: Int32 = Double(random.nextUnit()) < 1 / (1 + exp(-Double(logit))) ? 1 : 0
            one.append([logit * factor].span, truth: truth)
            two.append([0, logit * factor].span, truth: truth)
        }
        #expect(one.fitted() == two.fitted() && one.calibrated() == two.calibrated())
        #expect(abs(try #require(one.fitted()).value / factor - 1) < 0.3)
    }

    @Test("a network's temperature changes its probabilities and nothing else", arguments: [1, 5])
    func network(outputs: Int) throws {
        let head = outputs == 1 ? Head.sigmoid : .softmax
        let plain = try someNetwork([6, 12, outputs], .relu, head)
        var cool = plain
        let temperature: Float = 1.7
        cool.temperature = Temperature(temperature)
        let rows = noise(7 * 6, seed: 5)
        var before = InferenceScratch()
        var after = InferenceScratch()
        plain.forward(rows: rows.span, rowCount: 7, scratch: &before)
        cool.forward(rows: rows.span, rowCount: 7, scratch: &after)
        #expect(copied(before.logits) == copied(after.logits))
        #expect(copied(before.probabilities) != copied(after.probabilities))
        let reference = ReferenceNetwork(plain)
        for row in 0..<7 {
            #expect(before.predictedClass(row: row) == after.predictedClass(row: row))
            let logits = reference.logits(rows[row * 6..<row * 6 + 6].map(Double.init))
            let expected = reference.probabilities(logits.map { $0 / Double(temperature) })
            for column in 0..<outputs {
                #expect(agree(after.probabilities[row * outputs + column], expected[column]))
            }
        }
        // A temperature of 1 gives the very bits of none.
        cool.temperature = Temperature(1)
        cool.forward(rows: rows.span, rowCount: 7, scratch: &after)
        #expect(copied(before.probabilities) == copied(after.probabilities))
        #expect(try plain.encoded() == cool.encoded())
    }
}
