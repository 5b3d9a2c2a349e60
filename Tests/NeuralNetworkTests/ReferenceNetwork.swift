import Glibc
import NeuralNetwork

/// The same network written down plainly in double precision: what the tests trust.
struct ReferenceNetwork {
    var weights: [[Double]]
    var biases: [[Double]]
    let layers: [DenseLayer]
    let head: Head

    init(_ network: MultilayerPerceptron) {
        layers = network.layers
        head = network.head
        weights = network.layers.map { $0.weights.values.map(Double.init) }
        biases = network.layers.map { $0.bias.map(Double.init) }
    }

    /// The logits of one row.
    func logits(_ row: [Double]) -> [Double] {
        var values = row
        for (index, layer) in layers.enumerated() {
            values = (0..<layer.outputWidth).map { column in
                let sum = values.indices.reduce(biases[index][column]) {
                    $0 + values[$1] * weights[index][$1 * layer.outputWidth + column]
                }
                return Self.apply(layer.activation, sum)
            }
        }
        return values
    }

    /// What the head makes of logits.
    func probabilities(_ logits: [Double]) -> [Double] {
        switch head {
        case .softmax:
            let sum = logits.reduce(0) { $0 + exp($1) }
            return logits.map { exp($0) / sum }
        case .sigmoid: return logits.map { 1 / (1 + exp(-$0)) }
        case .linear: return logits
        }
    }

    /// The mean loss of some rows.
    func loss(_ rows: [[Double]], _ targets: Targets) -> Double {
        let losses = rows.indices.map { row -> Double in
            let outputs = probabilities(logits(rows[row]))
            switch targets {
            case .classes(let classes): return -log(outputs[Int(classes[row])])
            case .binary(let values):
                let target = Double(values[row])
                return -target * log(outputs[0]) - (1 - target) * log(1 - outputs[0])
            case .values(let values):
                let errors = outputs.indices.map {
                    outputs[$0] - Double(values[row * outputs.count + $0])
                }
                return errors.reduce(0) { $0 + $1 * $1 } / Double(errors.count)
            }
        }
        return losses.reduce(0, +) / Double(rows.count)
    }

    static func apply(_ activation: Activation, _ z: Double) -> Double {
        switch activation {
        case .identity: z
        case .relu: max(z, 0)
        case .leakyReLU: z < 0 ? 0.01 * z : z
        case .tanh: Glibc.tanh(z)
        case .sigmoid: 1 / (1 + exp(-z))
        case .gelu: z * 0.5 * (1 + erf(z / 2.0.squareRoot()))
        }
    }
}

/// Whether two numbers agree as well as single precision allows.
func agree(_ found: Float, _ expected: Double, within tolerance: Double = 2e-5) -> Bool {
    abs(Double(found) - expected) <= tolerance * max(1, abs(expected))
}

/// Numbers from -1 to 1.
func noise(_ count: Int, seed: UInt64) -> [Float] {
    var random = RandomSource(seed: seed, stream: 99)
    return (0..<count).map { _ in 2 * random.nextUnit() - 1 }
}

/// A network of random weights with biases that are not 0.
func someNetwork(
    _ widths: [Int],
    _ activation: Activation = .relu,
    _ head: Head = .softmax,
    seed: UInt64 = 1
) throws -> MultilayerPerceptron {
    let layers = widths.indices.dropLast().map { index in
        DenseLayer(
            weights: Matrix(
                rows: widths[index],
                columns: widths[index + 1],
                values: noise(widths[index] * widths[index + 1], seed: seed + UInt64(index))
            ),
            bias: noise(widths[index + 1], seed: seed + 100 + UInt64(index)),
            activation: index == widths.count - 2 ? .identity : activation
        )
    }
    return try MultilayerPerceptron(layers: layers, head: head)
}

/// A copy of borrowed numbers.
func copied(_ span: Span<Float>) -> [Float] {
    span.indices.map { span[$0] }
}
