import Compression

/// Bytes that compress somewhat and differ everywhere, so that a lost or doubled byte shows.
func sample(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 &* $0) >> 3) }
}

/// `printf 'leeway\n' | gzip -9n`, made by gzip 1.12: a text that is not of our own making.
let madeByGzip: [UInt8] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xcb, 0x49, 0x4d, 0x2d, 0x4f, 0xac,
    0xe4, 0x02, 0x00, 0xa8, 0x8d, 0x44, 0x79, 0x07, 0x00, 0x00, 0x00,
]

/// The error that decompressing the bytes gives, or nil when they are good.
func fault(
    _ bytes: [UInt8],
    format: CompressionFormat = .gzip,
    outputBytesMax: Int = 1 << 20
) -> CompressionError? {
    do {
        _ = try Gzip.decompress(bytes, format: format, outputBytesMax: outputBytesMax)
        return nil
    } catch {
        return error
    }
}

/// A small source of numbers for tests (SplitMix64), the same in every run.
struct TestRandom: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
