import CKernels
import Testing

@Suite("Sums of a picture") struct PictureSumTests {
    @Test("they are the plain sums of each lane, with the same bits on every level")
    func lanes() {
        let groups = 98
        let values = noise(groups * 8, seed: 1).map { abs($0) < 0.3 ? 0 : $0 * 255 }
        let places = noise(groups * 16, seed: 2).map { $0 * 28 }
        let limits = leeway_picture_limits(white: 200, lower: -100, upper: 150)
        var plain = [[Float]](repeating: [Float](repeating: 0, count: 8), count: 4)
        var counts = [[Int32]](repeating: [Int32](repeating: 0, count: 8), count: 3)
        for index in values.indices {
            let (group, lane, value) = (index / 8, index % 8, values[index])
            let place = group * 16 + lane
            plain[0][lane] += value
            plain[1][lane] += value * value
            plain[2][lane] += value * places[place]
            plain[3][lane] += value * places[place + 8]
            if value == 0 { counts[0][lane] += 1 }
            if value >= limits.white { counts[1][lane] += 1 }
            if value < limits.lower || value > limits.upper { counts[2][lane] += 1 }
        }
        for level in levels {
            var sums = leeway_picture_sums()
            unsafe leeway_picture(level, groups, limits, values, places, &sums)
            let found = unsafe withUnsafeBytes(of: &sums) { bytes in
                unsafe Array(bytes.bindMemory(to: UInt32.self))
            }
            #expect(found[..<32].elementsEqual(plain.joined().map(\.bitPattern)), "\(level)")
            let wanted = counts.joined().map { UInt32(bitPattern: $0) }
            #expect(found[32...].elementsEqual(wanted), "\(level)")
        }
    }
}
