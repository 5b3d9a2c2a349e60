internal import CKernels
internal import Synchronization

/// The instruction sets that the arithmetic is built for, chosen when the program starts.
package enum InstructionSet: String, Sendable, CaseIterable {
    /// What every machine of the architecture has: SSE2 or NEON.
    case portable
    /// x86-64-v3: AVX2 with fused multiply-add.
    case avx2
    /// x86-64-v4: AVX-512.
    case avx512

    /// The one in use; weights trained on another one may differ in last bits.
    package static var current: InstructionSet { InstructionSet(Kernels.level) }

    /// The best one of this machine.
    package static var best: InstructionSet { InstructionSet(leeway_kernels_level()) }

    /// Has the engine use this one, whatever the machine has beyond; for tests and measurements.
    ///
    /// It must come before the first prediction: what has been used once stays.
    ///
    /// - Returns: Whether it is now in use; not so when the machine lacks it.
    package func force() -> Bool {
        guard level.rawValue <= leeway_kernels_level().rawValue else { return false }
        Kernels.forced.store(Int(level.rawValue), ordering: .relaxed)
        return Kernels.level == level
    }

    private init(_ level: leeway_level) {
        self =
            switch level {
            case leeway_level_avx512: .avx512
            case leeway_level_avx2: .avx2
            default: .portable
            }
    }

    private var level: leeway_level {
        switch self {
        case .portable: leeway_level_portable
        case .avx2: leeway_level_avx2
        case .avx512: leeway_level_avx512
        }
    }
}

/// How a byte becomes an engine input: `(byte − offset) × factor`, within ±`limit`.
package struct ByteScaling: Sendable, Equatable {
    /// Taken off the byte.
    package let offset: Float
    /// Multiplied with the remainder.
    package let factor: Float
    /// The greatest magnitude of an input.
    package let limit: Float

    /// Names a scaling.
    package init(offset: Float, factor: Float, limit: Float) {
        self.offset = offset
        self.factor = factor
        self.limit = limit
    }

    var raw: leeway_scaling { leeway_scaling(offset: offset, factor: factor, limit: limit) }
}

/// The C loops behind spans.
///
/// Each function checks that every span holds at least as many numbers as the loop touches, and
/// hands out pointers only for the length of the call. A C loop with a row count of 0 touches
/// nothing.
enum Kernels {
    /// What ``InstructionSet/force()`` asked for; -1 for nothing.
    static let forced = Atomic<Int>(-1)

    /// The instruction set in use.
    static let level: leeway_level = {
        let wanted = forced.load(ordering: .relaxed)
        return wanted < 0 ? leeway_kernels_level() : leeway_level(rawValue: UInt32(wanted))
    }()

    /// Rows that go into a layer: numbers, or bytes that are scaled on the way.
    @safe enum Rows {
        case numbers(UnsafePointer<Float>)
        case bytes(UnsafePointer<UInt8>, ByteScaling)
    }

    /// `results = activation(rows · weights + bias)`, by all members of a team.
    static func forward(
        _ rows: Span<Float>,
        rowCount: Int,
        layer: DenseLayer,
        results: inout MutableSpan<Float>,
        team: borrowing ComputeTeam
    ) {
        precondition(rows.count >= rowCount * layer.inputWidth)
        unsafe rows.withUnsafeBufferPointer { rows in
            guard let rows = rows.baseAddress else { return }
            unsafe forward(.numbers(rows), rowCount, layer, &results, team)
        }
    }

    /// The same for rows of bytes.
    static func forward(
        bytes: Span<UInt8>,
        scaling: ByteScaling,
        rowCount: Int,
        layer: DenseLayer,
        results: inout MutableSpan<Float>,
        team: borrowing ComputeTeam
    ) {
        precondition(bytes.count >= rowCount * layer.inputWidth)
        unsafe bytes.withUnsafeBufferPointer { bytes in
            guard let bytes = bytes.baseAddress else { return }
            unsafe forward(.bytes(bytes, scaling), rowCount, layer, &results, team)
        }
    }

    /// Operations below which waking a team costs more than it brings.
    private static let teamOperationsMin = 4_000_000

    /// Bounds: `rows` has `rowCount × inputWidth` elements; the results are checked here.
    private static func forward(
        _ rows: Rows,
        _ rowCount: Int,
        _ layer: DenseLayer,
        _ results: inout MutableSpan<Float>,
        _ team: borrowing ComputeTeam
    ) {
        precondition(results.count >= rowCount * layer.outputWidth)
        unsafe results.withUnsafeMutableBufferPointer { results in
            guard let results = results.baseAddress else { return }
            let job = unsafe LayerJob(layer, rows, rowCount, results)
            let operations = 2 * rowCount * layer.inputWidth * layer.outputWidth
            guard team.members > 1, operations >= teamOperationsMin else {
                return job.run(rows: 0..<rowCount, columns: 0..<layer.outputWidth)
            }
            job.run(team)
        }
    }

    /// Copies rows of a width, in the order of the indices.
    static func copyRows(
        of source: Span<Float>,
        width: Int,
        _ indices: Span<Int32>,
        into target: inout MutableSpan<Float>
    ) {
        precondition(target.count >= indices.count * width)
        unsafe source.withUnsafeBufferPointer { source in
            unsafe target.withUnsafeMutableBufferPointer { target in
                guard let from = source.baseAddress, let to = target.baseAddress else { return }
                for position in indices.indices {
                    let row = Int(indices[position])
                    precondition(row >= 0 && (row + 1) * width <= source.count)
                    unsafe (to + position * width).update(from: from + row * width, count: width)
                }
            }
        }
    }

    /// Turns logits into what the head means by them.
    static func interpret(
        _ head: Head,
        rowCount: Int,
        width: Int,
        _ logits: Span<Float>,
        _ results: inout MutableSpan<Float>
    ) {
        let count = rowCount * width
        precondition(logits.count >= count && results.count >= count)
        let extent = leeway_extent(rows: rowCount, columns: width, stride: width)
        unsafe logits.withUnsafeBufferPointer { logits in
            unsafe results.withUnsafeMutableBufferPointer { results in
                guard let logits = logits.baseAddress, let results = results.baseAddress
                else { return }
                guard head != .softmax else {
                    return unsafe leeway_softmax(level, extent, logits, results)
                }
                unsafe results.update(from: logits, count: count)
                if head == .sigmoid {
                    unsafe leeway_activate(level, leeway_sigmoid, extent, results)
                }
            }
        }
    }
}

/// One layer applied to some rows, to be shared out.
@safe private struct LayerJob {
    let layer: DenseLayer
    let rows: Kernels.Rows
    let rowCount: Int
    let results: UnsafeMutablePointer<Float>

    init(
        _ layer: DenseLayer,
        _ rows: Kernels.Rows,
        _ rowCount: Int,
        _ results: UnsafeMutablePointer<Float>
    ) {
        self.layer = layer
        self.rows = rows
        self.rowCount = rowCount
        unsafe self.results = results
    }

    /// Shares out the outputs where there are enough, else the rows; the results are the same.
    ///
    /// By outputs, each weight is read by one member only.
    func run(_ team: borrowing ComputeTeam) {
        let members = team.members
        let outputs = layer.outputWidth
        let byOutputs = outputs >= ComputeTeam.outputsMin * members
        // Whole panels where there are enough of them.
        let isWide = outputs >= 2 * PackedWeights.panelWidth * members
        let group = isWide ? PackedWeights.panelWidth : leeway_panel_unit
        team.run { member in
            if byOutputs {
                let mine = ComputeTeam.share(of: outputs, member, of: members, group: group)
                run(rows: 0..<rowCount, columns: mine)
            } else {
                let mine = ComputeTeam.share(of: rowCount, member, of: members)
                run(rows: mine, columns: 0..<outputs)
            }
        }
    }

    /// Bounds: the ranges are within rows and outputs, for which the caller has checked the spans.
    func run(rows range: Range<Int>, columns: Range<Int>) {
        guard !range.isEmpty, !columns.isEmpty else { return }
        let shape = leeway_layer(
            rows: range.count,
            inputs: layer.inputWidth,
            outputs: layer.outputWidth,
            panel: PackedWeights.panelWidth,
            row_stride: layer.inputWidth,
            result_stride: layer.outputWidth,
            first: columns.lowerBound,
            last: columns.upperBound,
            function: layer.activation.function
        )
        let first = range.lowerBound * layer.inputWidth
        let target = unsafe results + range.lowerBound * layer.outputWidth
        unsafe layer.packed.lend { weights, bias in
            switch rows {
            case .numbers(let rows):
                unsafe leeway_forward(Kernels.level, shape, rows + first, weights, bias, target)
            case .bytes(let rows, let scaling):
                unsafe leeway_forward_bytes(
                    Kernels.level,
                    shape,
                    scaling.raw,
                    rows + first,
                    weights,
                    bias,
                    target
                )
            }
        }
    }
}

extension Activation {
    /// The C library's number for it.
    var function: leeway_function {
        switch self {
        case .identity: leeway_identity
        case .relu: leeway_relu
        case .leakyReLU: leeway_leaky_relu
        case .tanh: leeway_tanh
        case .sigmoid: leeway_sigmoid
        case .gelu: leeway_gelu
        }
    }
}

extension InstructionSet {
    /// Multiplies and adds in registers alone: the work by which a machine's peak is measured.
    ///
    /// - Parameter rounds: How long.
    /// - Returns: The floating-point operations done.
    package static func multiplyAndAdd(rounds: Int) -> Double {
        var sink: Float = 0
        return unsafe leeway_multiply_and_add(Kernels.level, max(rounds, 0), &sink)
    }
}
