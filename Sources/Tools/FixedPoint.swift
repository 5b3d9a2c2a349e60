/// A number in words, with so many digits after the point.
func fixed(_ value: Double, _ digits: Int) -> String {
    let factor = (0..<digits).reduce(1.0) { factor, _ in factor * 10 }
    let scaled = Int64((value * factor).rounded())
    let fraction = String(scaled % Int64(factor))
    let padding = String(repeating: "0", count: max(0, digits - fraction.count))
    return "\(scaled / Int64(factor)).\(padding)\(fraction)"
}
