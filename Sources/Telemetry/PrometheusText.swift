/// Writes a registry in Prometheus' text format 0.0.4.
///
/// Families are in the order of their names and series in the order of their label values, so
/// that two scrapes differ in numbers alone. The lines end with LF, the last one, too.
package enum PrometheusText {
    /// The value of `Content-Type` that belongs to the text.
    package static let contentType: StaticString = "text/plain; version=0.0.4; charset=utf-8"

    /// Runs the registry's collectors and appends all of its families.
    ///
    /// Takes no lock that a hot path takes: counting goes on meanwhile.
    package static func write(_ registry: MetricRegistry, into output: inout [UInt8]) {
        for family in registry.collect() {
            switch family {
            case .counter(let family): write(family, into: &output)
            case .gauge(let family): write(family, into: &output)
            case .histogram(let family): write(family, into: &output)
            }
        }
    }

    private static func write(_ family: MetricFamily<Counter>, into output: inout [UInt8]) {
        let series = family.all()
        guard !series.isEmpty else { return }
        output.append(contentsOf: family.text.header)
        for one in series {
            appendName(family.text.name, one.labelText, to: &output)
            output.append(
                decimal: one.handle.value,
                fractionDigits: family.declaration.unit.fractionDigits
            )
            output.append("\n")
        }
    }

    private static func write(_ family: MetricFamily<Gauge>, into output: inout [UInt8]) {
        let series = family.all()
        guard !series.isEmpty else { return }
        output.append(contentsOf: family.text.header)
        for one in series {
            appendName(family.text.name, one.labelText, to: &output)
            append(one.handle.value, to: &output)
            output.append("\n")
        }
    }

    private static func write(_ family: MetricFamily<Histogram>, into output: inout [UInt8]) {
        let series = family.all()
        guard !series.isEmpty else { return }
        output.append(contentsOf: family.text.header)
        for one in series {
            let (buckets, rawSum) = one.handle.read()
            var count: UInt64 = 0
            for (bucket, bound) in zip(buckets, family.text.bounds) {
                count &+= bucket
                output.append(contentsOf: family.text.name)
                output.append("_bucket{")
                output.append(contentsOf: one.labelText)
                if !one.labelText.isEmpty { output.append(",") }
                output.append(contentsOf: bound)
                output.append("} ")
                output.append(decimal: count)
                output.append("\n")
            }
            appendName(family.text.name, one.labelText, suffix: "_sum", to: &output)
            output.append(
                decimal: rawSum,
                fractionDigits: family.declaration.unit.fractionDigits
            )
            output.append("\n")
            appendName(family.text.name, one.labelText, suffix: "_count", to: &output)
            output.append(decimal: count)
            output.append("\n")
        }
    }

    /// Appends `name_suffix{labels} `.
    private static func appendName(
        _ name: [UInt8],
        _ labelText: [UInt8],
        suffix: StaticString = "",
        to output: inout [UInt8]
    ) {
        output.append(contentsOf: name)
        output.append(suffix)
        if !labelText.isEmpty {
            output.append("{")
            output.append(contentsOf: labelText)
            output.append("}")
        }
        output.append(" ")
    }

    /// Appends a floating-point value as Go's ParseFloat reads it.
    private static func append(_ value: Double, to output: inout [UInt8]) {
        if value.isNaN {
            output.append("NaN")
        } else if value.isInfinite {
            output.append(value > 0 ? "+Inf" : "-Inf")
        } else if let integer = Int(exactly: value), integer.magnitude <= 1 << 53 {
            output.append(decimal: integer)
        } else {
            output.append(string: value.description)
        }
    }
}
