import NeuralNetwork
import Testing
import Tools

@Suite("Image shifts") struct ImageShiftTests {
    @Test(
        "a shift is read from its word",
        arguments: [
            ("none", ImageShift.none), ("rotate", .rotate), ("invert", .invert),
            ("noise=30", .noise(30)), ("noise=0", .noise(0)), ("brightness=0.5", .brightness(0.5)),
        ]
    )
    func read(text: String, expected: ImageShift) {
        #expect(ImageShift(text) == expected)
    }

    @Test(
        "what is no shift is refused",
        arguments: [
            "", "spin", "noise", "noise=", "noise=loud", "noise=-1", "noise=nan", "brightness=-0.1",
            "rotate=90", "none=1", "=", "noise=1=2", "Rotate",
        ]
    )
    func refused(text: String) {
        #expect(ImageShift(text) == nil)
    }

    private func shifted(_ shift: ImageShift, _ pixels: [Float], width: Int = 3) -> [Float] {
        var (pixels, random) = (pixels, RandomSource(seed: 1))
        shift.apply(to: &pixels, width: width, random: &random)
        return pixels
    }

    @Test("a quarter turn clockwise brings the left column to the top")
    func rotate() {
        let turned = shifted(.rotate, [1, 2, 3, 4, 5, 6, 7, 8, 9])
        #expect(turned == [7, 4, 1, 8, 5, 2, 9, 6, 3])
        let back = (0..<3).reduce(turned) { pixels, _ in shifted(.rotate, pixels) }
        #expect(back == [1, 2, 3, 4, 5, 6, 7, 8, 9])
    }

    @Test("what is not square is not turned")
    func notSquare() {
        #expect(shifted(.rotate, [1, 2, 3, 4, 5, 6], width: 3) == [1, 2, 3, 4, 5, 6])
        #expect(shifted(.rotate, [1, 2], width: 0) == [1, 2])
    }

    @Test("the other shifts stay whole numbers within 0 to 255")
    func others() {
        #expect(shifted(.none, [0.25, 300]) == [0.25, 300])
        #expect(shifted(.invert, [0, 100, 255]) == [255, 155, 0])
        #expect(shifted(.brightness(1.5), [0, 101, 200]) == [0, 152, 255])
        let noisy = shifted(.noise(30), [Float](repeating: 128, count: 400), width: 20)
        #expect(noisy.allSatisfy { (0...255).contains($0) && $0 == $0.rounded() })
        let mean = noisy.reduce(0, +) / 400
        let variance = noisy.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / 400
        #expect(abs(mean - 128) < 5)
        #expect(abs(variance.squareRoot() - 30) < 4)
        #expect(shifted(.noise(0), [7, 8, 9]) == [7, 8, 9])
    }
}
