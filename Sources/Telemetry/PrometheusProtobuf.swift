/// Writes a registry as a stream of `io.prometheus.client.MetricFamily` messages, each with its
/// length before it: the only form that knows native histograms.
///
/// Field numbers are those of prometheus/client_model, `metrics.proto`. A histogram has the buckets
/// of its bounds (with exemplars) and, where it keeps them, native ones.
enum PrometheusProtobuf {
    static func write(_ families: [MetricRegistry.Family], into output: inout [UInt8]) {
        var message = ProtobufMessage()
        for family in families {
            message.reset()
            let hasSeries =
                switch family {
                case .counter(let family):
                    write(family, typeNumber: 0, to: &message) { write($0.handle, $1, &$2) }
                case .gauge(let family):
                    write(family, typeNumber: 1, to: &message) { write($0.handle, &$2) }
                case .histogram(let family):
                    write(family, typeNumber: 4, to: &message) { write($0.handle, &$2) }
                }
            if hasSeries { output.append(contentsOf: message.bytes) }
        }
    }

    private typealias Series<Handle: AnyObject & Sendable> = MetricFamily<Handle>.Series

    private static func write<Handle>(
        _ family: MetricFamily<Handle>,
        typeNumber: UInt64,
        to message: inout ProtobufMessage,
        _ write: (Series<Handle>, MetricDeclaration, inout ProtobufMessage) -> Void
    ) -> Bool {
        let all = family.all()
        guard !all.isEmpty else { return false }
        let declaration = family.declaration
        message.delimited { message in
            message.add(1, declaration.name)
            message.add(2, declaration.help)
            message.add(3, typeNumber)
            for series in all {
                message.add(4) { metric in
                    for (name, value) in zip(declaration.labels, series.labelValues) {
                        metric.add(1) { pair in
                            pair.add(1, name)
                            pair.add(2, value)
                        }
                    }
                    write(series, declaration, &metric)
                }
            }
        }
        return true
    }

    private static func write(
        _ counter: Counter,
        _ declaration: MetricDeclaration,
        _ metric: inout ProtobufMessage
    ) {
        metric.add(3) { message in
            message.add(1, Double(counter.value) / declaration.unit.rawPerUnit, always: true)
        }
    }

    private static func write(_ gauge: Gauge, _ metric: inout ProtobufMessage) {
        metric.add(2) { $0.add(1, gauge.value, always: true) }
    }

    private static func write(_ histogram: Histogram, _ metric: inout ProtobufMessage) {
        let layout = histogram.layout
        let perUnit = layout.unit.rawPerUnit
        let (cells, rawSum) = histogram.readAll()
        let classic = cells.prefix(layout.bucketCount)
        let exemplars = histogram.exemplars
        metric.add(7) { message in
            message.add(1, classic.reduce(0, &+))
            message.add(2, Double(rawSum) / perUnit, always: true)
            var count: UInt64 = 0
            for (index, bound) in (layout.bounds + [.infinity]).enumerated() {
                count &+= classic[index]
                message.add(3) { bucket in
                    bucket.add(1, count)
                    bucket.add(2, bound, always: true)
                    guard exemplars.indices.contains(index), let one = exemplars[index] else {
                        return
                    }
                    write(one, perUnit, &bucket)
                }
            }
            guard let native = histogram.native else { return }
            write(native, Array(cells.dropFirst(layout.bucketCount)), &message)
        }
    }

    private static func write(
        _ exemplar: Exemplar,
        _ perUnit: Double,
        _ bucket: inout ProtobufMessage
    ) {
        bucket.add(3) { message in
            var text: [UInt8] = []
            text.append(hexadecimal: exemplar.traceHigh)
            text.append(hexadecimal: exemplar.traceLow)
            message.add(1) { pair in
                pair.add(1, "trace_id")
                pair.add(2, text)
            }
            text.removeAll()
            text.append(hexadecimal: exemplar.span)
            message.add(1) { pair in
                pair.add(1, "span_id")
                pair.add(2, text)
            }
            message.add(2, Double(exemplar.raw) / perUnit, always: true)
            message.add(3) { stamp in
                stamp.add(1, exemplar.time.nanosecondsSinceEpoch / 1_000_000_000)
                stamp.add(2, exemplar.time.nanosecondsSinceEpoch % 1_000_000_000)
            }
        }
    }

    /// Writes the native buckets that are not empty, as runs and as differences from each other.
    private static func write(
        _ native: NativeBuckets,
        _ cells: [UInt64],
        _ message: inout ProtobufMessage
    ) {
        message.add(5, zigzag: Int64(NativeBuckets.schema))
        message.add(6, native.zeroThreshold)
        message.add(7, cells.first ?? 0)
        var deltas: [Int64] = []
        var last: UInt64 = 0
        var end = 0
        var index = 1
        while index < cells.count {
            guard cells[index] > 0 else {
                index += 1
                continue
            }
            let start = index
            while index < cells.count, cells[index] > 0 {
                deltas.append(Int64(bitPattern: cells[index] &- last))
                last = cells[index]
                index += 1
            }
            // The first run begins at a bucket's number, the others so many after the one before.
            let offset = end == 0 ? native.firstKey + start - 1 : start - end
            let length = index - start
            message.add(12) { span in
                span.add(1, zigzag: Int64(offset))
                span.add(2, UInt64(length))
            }
            end = index
        }
        message.add(13, packedZigzags: deltas)
    }
}
