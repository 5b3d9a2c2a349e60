/// Writes families as text: in Prometheus' format 0.0.4, or as OpenMetrics 1.0.
///
/// The lines of samples are the same in both, so that a scraper that changes its wishes does not
/// begin new series; the lines that describe a family differ, and OpenMetrics has exemplars and an
/// end. All lines end with LF, the last one, too.
struct PrometheusText {
    /// Whether it is OpenMetrics.
    let isOpen: Bool

    /// Appends the families.
    func write(_ families: [MetricRegistry.Family], into output: inout [UInt8]) {
        for family in families {
            switch family {
            case .counter(let family): write(family, into: &output)
            case .gauge(let family): write(family, into: &output)
            case .histogram(let family): write(family, into: &output)
            }
        }
        if isOpen { output.append("# EOF\n") }
    }

    private func header(_ text: FamilyText) -> [UInt8] { isOpen ? text.openHeader : text.header }

    private func write(_ family: MetricFamily<Counter>, into output: inout [UInt8]) {
        let series = family.all()
        guard !series.isEmpty else { return }
        output.append(contentsOf: header(family.text))
        for one in series {
            appendName(family.text.name, one.labelText, to: &output)
            output.append(
                decimal: one.handle.value,
                fractionDigits: family.declaration.unit.fractionDigits
            )
            output.append("\n")
        }
    }

    private func write(_ family: MetricFamily<Gauge>, into output: inout [UInt8]) {
        let series = family.all()
        guard !series.isEmpty else { return }
        output.append(contentsOf: header(family.text))
        for one in series {
            appendName(family.text.name, one.labelText, to: &output)
            append(one.handle.value, to: &output)
            output.append("\n")
        }
    }

    private func write(_ family: MetricFamily<Histogram>, into output: inout [UInt8]) {
        let series = family.all()
        guard !series.isEmpty else { return }
        output.append(contentsOf: header(family.text))
        for one in series {
            let (buckets, rawSum) = one.handle.read()
            let exemplars = isOpen ? one.handle.exemplars : []
            var count: UInt64 = 0
            for (index, bound) in family.text.bounds.enumerated() {
                count &+= buckets[index]
                output.append(contentsOf: family.text.name)
                output.append("_bucket{")
                output.append(contentsOf: one.labelText)
                if !one.labelText.isEmpty { output.append(",") }
                output.append(contentsOf: bound)
                output.append("} ")
                output.append(decimal: count)
                if exemplars.indices.contains(index), let exemplar = exemplars[index] {
                    append(exemplar, one.handle.layout.unit, to: &output)
                }
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
    private func appendName(
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

    /// Appends ` # {trace_id="…",span_id="…"} value time`.
    private func append(
        _ exemplar: Exemplar,
        _ unit: HistogramUnit,
        to output: inout [UInt8]
    ) {
        output.append(" # {trace_id=\"")
        output.append(hexadecimal: exemplar.traceHigh)
        output.append(hexadecimal: exemplar.traceLow)
        output.append("\",span_id=\"")
        output.append(hexadecimal: exemplar.span)
        output.append("\"} ")
        output.append(decimal: exemplar.raw, fractionDigits: unit.fractionDigits)
        output.append(" ")
        let milliseconds = max(exemplar.time.nanosecondsSinceEpoch / 1_000_000, 0)
        output.append(decimal: UInt64(milliseconds), fractionDigits: 3)
    }

    /// Appends a floating-point value as Go's ParseFloat reads it.
    private func append(_ value: Double, to output: inout [UInt8]) {
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
