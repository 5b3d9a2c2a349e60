internal import CKernels

/// Numbers in memory of their own that begins on a cache line, as the C loops like it.
///
/// One owner at a time, so that what the spans say of borrowing holds. The address is kept as an
/// integer so that `Sendable` follows from the stored properties; the memory lives exactly as long
/// as its owner.
@safe struct AlignedFloats: ~Copyable, Sendable {
    /// How many numbers there are.
    let count: Int
    private let address: UInt

    /// Zeros.
    init(count: Int) {
        precondition(count >= 0)
        let memory = unsafe leeway_floats_allocate(count)
        // As for a Swift array: without memory there is nothing left to do.
        unsafe precondition(memory != nil, "no memory for \(count) numbers")
        self.count = count
        address = UInt(bitPattern: memory)
    }

    deinit {
        unsafe leeway_floats_free(UnsafeMutablePointer(bitPattern: address))
    }

    /// Where the numbers are; `count` of them, for as long as this owner lives.
    ///
    /// The address is that of memory that `init` has seen to be there, so never 0.
    @unsafe var pointer: UnsafeMutablePointer<Float> {
        unsafe UnsafeMutablePointer(bitPattern: address).unsafelyUnwrapped
    }

    /// The numbers.
    var span: Span<Float> {
        @_lifetime(borrow self)
        get {
            let span = unsafe Span(_unsafeStart: UnsafePointer(pointer), count: count)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The numbers, to be written.
    var mutableSpan: MutableSpan<Float> {
        @_lifetime(&self)
        mutating get {
            let span = unsafe MutableSpan(_unsafeStart: pointer, count: count)
            return unsafe _overrideLifetime(span, mutating: &self)
        }
    }

    /// Whether no number is NaN or infinite.
    var isFinite: Bool {
        // A sum of zeros is 0 unless one of them came from something that is not finite.
        let span = span
        var sum: Float = 0
        for index in span.indices { sum += span[index] * 0 }
        return sum == 0
    }

    /// A copy of the first numbers.
    func prefix(_ count: Int) -> [Float] {
        let span = span
        return (0..<count).map { span[$0] }
    }

    /// Whether the numbers are equal to others.
    func equals(_ other: borrowing AlignedFloats) -> Bool {
        guard count == other.count else { return false }
        let (mine, theirs) = (span, other.span)
        for index in mine.indices where mine[index] != theirs[index] { return false }
        return true
    }

    /// Makes room for more numbers; what was there is gone then.
    mutating func grow(to count: Int) {
        if self.count < count { self = AlignedFloats(count: count) }
    }
}
