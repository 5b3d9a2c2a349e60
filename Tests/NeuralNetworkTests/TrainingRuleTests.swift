import Glibc
import NeuralNetwork
import Testing

/// Rows kept as bytes, once given as such and once as numbers.
struct ByteRows: TrainingRows {
    let bytes: [UInt8]
    let width: Int
    let scaling: ByteScaling
    let isCompact: Bool
    /// Which of the stored rows are meant.
    let numbers: [Int32]

    var rowCount: Int { numbers.count }

    func gather(_ indices: Span<Int32>, into target: inout MutableSpan<Float>) {
        for position in indices.indices {
            let row = Int(numbers[Int(indices[position])])
            for column in 0..<width {
                let value = Float(bytes[3 + row * width + column])
                let scaled = (value - scaling.offset) * scaling.factor
                target[position * width + column] =
                    min(max(scaled, -scaling.limit), scaling.limit)
            }
        }
    }

    var compact: CompactRows? {
        isCompact
            ? CompactRows(bytes: bytes, offset: 3, width: width, numbers: numbers, scaling: scaling)
            : nil
    }
}

/// Rows and classes that a network can learn something of.
func someClasses(_ rows: Int, _ width: Int, _ classes: Int) -> (Matrix, Targets) {
    let matrix = Matrix(rows: rows, columns: width, values: noise(rows * width, seed: 31))
    let truth = (0..<rows).map { row in
        Int32((0..<classes).max { matrix[row, $0 % width] < matrix[row, $1 % width] } ?? 0)
    }
    return (matrix, .classes(truth))
}

@Suite("Rules of training") struct TrainingRuleTests {
    private func trained(
        _ settings: TrainingSettings,
        widths: [Int] = [9, 14, 3],
        activation: Activation = .relu,
        threads: Int = 1
    ) throws -> MultilayerPerceptron {
        let (rows, targets) = someClasses(70, widths[0], widths[widths.count - 1])
        var network = try someNetwork(widths, activation)
        _ = try Trainer(settings: settings, threads: threads)
            .train(&network, rows: rows, targets: targets)
        return network
    }

    /// Everything that a step can do, one thing a case.
    private static let rules: [(name: String, settings: TrainingSettings)] = {
        func with(_ change: (inout TrainingSettings) -> Void) -> TrainingSettings {
            var settings = TrainingSettings(epochs: 2, batch: 24, learningRate: 0.01)
            change(&settings)
            return settings
        }
        return [
            ("adam", with { _ in }),
            ("adamw", with { $0.optimizer = .adamW }),
            ("sgd", with { $0.optimizer = .sgd }),
            ("clipping", with { $0.clipNorm = 0.1 }),
            ("dropout", with { $0.dropout = 0.4 }),
            ("smoothing", with { $0.labelSmoothing = 0.2 }),
            ("weights of classes", with { $0.classWeights = [1, 2, 0.5] }),
            (
                "cosine",
                with {
                    $0.schedule = .cosine; $0.warmUpEpochs = 0.5
                }
            ),
        ]
    }()

    @Test(
        "any number of threads gives the same weights, bit for bit",
        arguments: 0..<8,
        [[9, 14, 3], [20, 200, 130, 3], [33, 300, 500, 3]]
    )
    func threads(rule: Int, widths: [Int]) throws {
        let settings = Self.rules[rule].settings
        for activation in [Activation.relu, .gelu, .tanh] {
            let alone = try trained(settings, widths: widths, activation: activation)
            for threads in [2, 3, 5] {
                let together = try trained(
                    settings,
                    widths: widths,
                    activation: activation,
                    threads: threads
                )
                #expect(together == alone, "\(Self.rules[rule].name) \(threads) \(activation)")
            }
        }
    }

    @Test("steps are made alone while the clock says that a team is slower, with the same weights")
    func pace() throws {
        let (rows, targets) = someClasses(64, 9, 3)
        let settings = TrainingSettings(epochs: 600, batch: 32)
        func trained(_ times: (@Sendable (Int) -> Double)?) throws -> MultilayerPerceptron {
            let calls = WatchedRows.Notes()
            var network = try someNetwork([9, 80, 3])
            let clock: (@Sendable () -> Double)? = times.map { times in
                { @Sendable in
                    calls.append([])
                    return times(calls.value.count)
                }
            }
            _ = try Trainer(settings: settings, threads: 3, clock: clock)
                .train(&network, rows: rows, targets: targets)
            // 1,200 steps: one trial at the start, one after 1,024.
            if times != nil { #expect(calls.value.count == 8) }
            return network
        }
        let shared = try trained(nil)
        // Call 1 begins a trial, 2 and 3 end its first half, 4 its second.
        #expect(try trained { Double($0 < 4 ? $0 : $0 * 100) } == shared)
        #expect(try trained { Double($0) } == shared)
    }

    @Test("rows of bytes are trained on with the bits of their scaled numbers")
    func compactRows() throws {
        let scaling = ByteScaling(offset: 20, factor: 1 / 90, limit: 2)
        let bytes = noise(3 + 60 * 50, seed: 6).map { UInt8(($0 + 1) * 127) }
        let numbers = (0..<55).map { Int32(($0 * 7) % 60) }
        func network(_ isCompact: Bool, threads: Int) throws -> MultilayerPerceptron {
            let rows = ByteRows(
                bytes: bytes,
                width: 50,
                scaling: scaling,
                isCompact: isCompact,
                numbers: numbers
            )
            var network = try someNetwork([50, 70, 4])
            _ = try Trainer(settings: TrainingSettings(epochs: 2, batch: 9), threads: threads)
                .train(
                    &network,
                    rows: rows,
                    targets: .classes((0..<55).map { Int32($0 % 4) })
                )
            return network
        }
        let plain = try network(false, threads: 1)
        #expect(try network(true, threads: 1) == plain)
        #expect(try network(true, threads: 2) == plain)
    }

    @Test("the step size follows its schedule")
    func schedules() throws {
        // One row, one weight, plain descent: the slope of (w x - y)² is 2 x (w x - y); with the
        // other weight at rest each step's size can be read off the weights.
        func rates(_ change: (inout TrainingSettings) -> Void) throws -> [Double] {
            var settings = TrainingSettings(
                epochs: 6,
                batch: 1,
                optimizer: .sgd,
                learningRate: 0.125,
                momentum: 0
            )
            change(&settings)
            let layer = DenseLayer(
                weights: Matrix(rows: 1, columns: 1, values: [0]),
                bias: [0],
                activation: .identity
            )
            let session = try TrainingSession(
                try MultilayerPerceptron(layers: [layer], head: .linear),
                settings: settings,
                rows: Matrix(rows: 1, columns: 1, values: [1]),
                targets: .values([1])
            )
            var rates: [Double] = []
            var goesOn = true
            while goesOn {
                let before = session.current.layers[0]
                goesOn = try session.runEpoch()
                let after = session.current.layers[0]
                let error = Double(before.weights[0, 0] + before.bias[0] - 1)
                rates.append(
                    Double(after.weights[0, 0] - before.weights[0, 0]) / (-2 * error)
                )
            }
            return rates
        }
        func near(_ found: [Double], _ expected: [Double]) -> Bool {
            found.count == expected.count
                && zip(found, expected).allSatisfy { abs($0 - $1) < 1e-4 * max(0.01, abs($1)) }
        }
        let full = 0.125
        #expect(near(try rates { _ in }, [full, full, full, full, full, full]))
        let step = try rates {
            $0.schedule = .step
            $0.stepEpochs = 2
            $0.stepFactor = 0.5
        }
        #expect(near(step, [full, full, full / 2, full / 2, full / 4, full / 4]), "\(step)")
        let cosine = try rates {
            $0.schedule = .cosine
            $0.rateFloor = 0.1
        }
        let expected = (0..<6).map {
            full * (0.1 + 0.9 * (1 + cos(Double.pi * Double($0) / 6)) / 2)
        }
        #expect(near(cosine, expected), "\(cosine)")
        let warm = try rates { $0.warmUpEpochs = 3 }
        #expect(near(warm, [full / 4, full / 2, full * 3 / 4, full, full, full]), "\(warm)")
    }

    /// What one step does to a network, and the slopes it followed.
    private func step(_ change: (inout TrainingSettings) -> Void) throws -> (
        before: DenseLayer, after: DenseLayer, slopes: DenseGradient
    ) {
        let (rows, targets) = someClasses(8, 5, 3)
        let before = try someNetwork([5, 3])
        var settings = TrainingSettings(epochs: 1, batch: 8, learningRate: 0.01)
        settings.momentum = 0
        change(&settings)
        var after = before
        _ = try Trainer(settings: settings).train(&after, rows: rows, targets: targets)
        let slopes = try before.lossGradient(rows: rows, targets: targets, settings: settings)
        return (before.layers[0], after.layers[0], slopes.layers[0])
    }

    @Test("AdamW's first step is the rate in the slope's direction, and takes its share off")
    func decoupledDecay() throws {
        let (before, after, slopes) = try step {
            $0.optimizer = .adamW
            $0.weightDecay = 0.5
        }
        for index in slopes.weights.values.indices {
            // With both moments fresh, m̂ / √v̂ is the sign of the slope.
            let sign: Double = slopes.weights.values[index] > 0 ? 1 : -1
            let weight = Double(before.weights.values[index])
            let expected = weight - 0.01 * 0.5 * weight - 0.01 * sign
            #expect(agree(after.weights.values[index], expected, within: 2e-5))
        }
        for index in slopes.bias.indices {
            let sign: Double = slopes.bias[index] > 0 ? 1 : -1
            #expect(agree(after.bias[index], Double(before.bias[index]) - 0.01 * sign))
        }
    }

    @Test("slopes longer than the norm are shortened to it, shorter ones are left alone")
    func clipping() throws {
        func length(_ clip: Float?) throws -> (moved: Double, slopes: Double) {
            let (before, after, slopes) = try step {
                $0.optimizer = .sgd
                $0.learningRate = 1
                $0.clipNorm = clip
            }
            let moves =
                zip(before.weights.values, after.weights.values).map { Double($0 - $1) }
                + zip(before.bias, after.bias).map { Double($0 - $1) }
            let all = slopes.weights.values.map(Double.init) + slopes.bias.map(Double.init)
            func norm(_ values: [Double]) -> Double {
                values.reduce(0) { $0 + $1 * $1 }.squareRoot()
            }
            return (norm(moves), norm(all))
        }
        let free = try length(nil)
        #expect(abs(free.moved - free.slopes) < 1e-5 && free.slopes > 0.1)
        #expect(abs(try length(0.05).moved - 0.05) < 1e-5)
        #expect(abs(try length(100).moved - free.slopes) < 1e-5)
    }

    @Test("smoothing and weights of classes change the loss and its slopes as the formulas say")
    func weightedLoss() throws {
        let network = try someNetwork([4, 6, 3], .tanh, .softmax, seed: 8)
        let rows = Matrix(rows: 5, columns: 4, values: noise(20, seed: 9))
        let classes: [Int32] = [0, 1, 2, 1, 0]
        var settings = TrainingSettings()
        settings.labelSmoothing = 0.15
        settings.classWeights = [1, 3, 0.25]
        let found = try network.lossGradient(
            rows: rows,
            targets: .classes(classes),
            settings: settings
        )
        func loss(_ network: ReferenceNetwork) -> Double {
            (0..<5).reduce(0.0) { sum, row in
                let outputs = network.probabilities(
                    network.logits((0..<4).map { Double(rows[row, $0]) })
                )
                let truth = Int(classes[row])
                let own = outputs.indices.reduce(0.0) { sum, column in
                    let share = 0.05 + (column == truth ? 0.85 : 0)
                    return sum - share * log(outputs[column])
                }
                return sum + [1, 3, 0.25][truth] * own
            } / 5
        }
        var reference = ReferenceNetwork(network)
        #expect(agree(Float(found.loss), loss(reference)))
        for (layer, gradient) in found.layers.enumerated() {
            for index in gradient.weights.values.indices {
                let value = reference.weights[layer][index]
                reference.weights[layer][index] = value + 1e-6
                let above = loss(reference)
                reference.weights[layer][index] = value - 1e-6
                let below = loss(reference)
                reference.weights[layer][index] = value
                #expect(agree(gradient.weights.values[index], (above - below) / 2e-6))
            }
        }
    }

    @Test("dropping outputs trains another network, the same one from the same seed")
    func dropout() throws {
        var settings = TrainingSettings(epochs: 3, batch: 10)
        let whole = try trained(settings)
        settings.dropout = 0.5
        let dropped = try trained(settings)
        #expect(dropped != whole)
        #expect(try trained(settings) == dropped)
        settings.seed = 2
        #expect(try trained(settings) != dropped)
        // Predictions drop nothing: two of the same row are equal.
        var scratch = InferenceScratch()
        let row = noise(9, seed: 1)
        dropped.forward(rows: row.span, rowCount: 1, scratch: &scratch)
        let first = copied(scratch.probabilities)
        dropped.forward(rows: row.span, rowCount: 1, scratch: &scratch)
        #expect(copied(scratch.probabilities) == first)
    }
}
