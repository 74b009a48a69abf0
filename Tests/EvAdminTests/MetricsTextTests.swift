import EvAdmin
import EvLoop
import EvServer
import Testing

@Suite struct MetricsTextTests {
    private func text(_ form: MetricsForm, _ write: (inout MetricsText) -> Void) -> String {
        var text = MetricsText(form)
        write(&text)
        text.end()
        return String(decoding: text.bytes, as: UTF8.self)
    }

    @Test func counterIsNamedAsItsSamplesInPrometheusForm() {
        let write: (inout MetricsText) -> Void = { text in
            text.family("a_requests", .counter, "Requests.")
            text.sample(["code": "2xx", "k": "x"], .count(7))
        }
        #expect(
            text(.prometheus, write) == """
                # HELP a_requests_total Requests.
                # TYPE a_requests_total counter
                a_requests_total{code="2xx",k="x"} 7

                """)
        #expect(
            text(.openMetrics, write) == """
                # HELP a_requests Requests.
                # TYPE a_requests counter
                a_requests_total{code="2xx",k="x"} 7
                # EOF

                """)
    }

    @Test func unitIsNamedInOpenMetrics() {
        let write: (inout MetricsText) -> Void = { text in
            text.family("a_sent_bytes", .counter, "Bytes.", .count(1))
            text.family("a_age_seconds", .gauge, "Age.", .nanoseconds(1_000_000_001))
        }
        #expect(
            text(.openMetrics, write) == """
                # HELP a_sent_bytes Bytes.
                # TYPE a_sent_bytes counter
                # UNIT a_sent_bytes bytes
                a_sent_bytes_total 1
                # HELP a_age_seconds Age.
                # TYPE a_age_seconds gauge
                # UNIT a_age_seconds seconds
                a_age_seconds 1.000000001
                # EOF

                """)
        #expect(!text(.prometheus, write).contains("UNIT"))
    }

    @Test func informationIsAGaugeInPrometheusForm() {
        let write: (inout MetricsText) -> Void = { text in
            text.family("a_build", .info, "What it is.")
            text.sample(["version": "1"], .count(1))
        }
        #expect(text(.prometheus, write).contains("# TYPE a_build_info gauge\na_build_info{version=\"1\"} 1\n"))
        #expect(text(.openMetrics, write).contains("# TYPE a_build info\na_build_info{version=\"1\"} 1\n"))
    }

    @Test func valuesOfLabelsAreEscaped() {
        let shown = text(.prometheus) { text in
            text.family("a", .gauge, "A.")
            text.sample(["b": "\"\\\n{}"], .number(0.5))
        }
        #expect(shown.hasSuffix("a{b=\"\\\"\\\\\\n{}\"} 0.5\n"))
    }

    @Test func histogramAddsUp() {
        var numbers = [UInt64](repeating: 0, count: SharedHistogram.count)
        (numbers[0], numbers[1], numbers[15], numbers[16]) = (2, 3, 1, 61_002_000_000)
        let shown = text(.openMetrics) { text in
            text.family("a_seconds", .histogram, "A.")
            text.histogram(numbers[...])
        }
        let lines = shown.split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(lines.count == 18)
        #expect(lines.prefix(2) == ["a_seconds_bucket{le=\"0.001\"} 2", "a_seconds_bucket{le=\"0.0025\"} 5"])
        #expect(
            lines.suffix(4) == [
                "a_seconds_bucket{le=\"60.0\"} 5", "a_seconds_bucket{le=\"+Inf\"} 6", "a_seconds_count 6",
                "a_seconds_sum 61.002000000",
            ])
    }

    @Test(arguments: [
        ([], MetricsForm.prometheus), (["*/*"], .prometheus), (["text/plain"], .prometheus),
        (["application/openmetrics-text"], .openMetrics),
        (["Application/OpenMetrics-Text; Version=1.0.0 ; charset=utf-8;q=0.5, text/plain;q=0.4"], .openMetrics),
        (["text/plain;q=0.4", "application/openmetrics-text;q=0.5"], .openMetrics),
        (["application/openmetrics-text;q=0.3,text/plain"], .prometheus),
        (["application/openmetrics-text;q=0"], .prometheus),
        (["application/openmetrics-text;q=x"], .openMetrics),
        (["application/openmetrics-text;version=0.0.1"], .prometheus), ([",;,;=", ""], .prometheus),
    ])
    func formByAccept(accept: [String], form: MetricsForm) {
        #expect(MetricsForm(accept: accept) == form)
    }
}

@Suite struct CounterTests {
    @Test func rangesHaveRoom() {
        #expect(Counter.queueing - Counter.duration >= SharedHistogram.count)
        #expect(Counter.lag - Counter.queueing >= SharedHistogram.count)
        #expect(Counter.responses - Counter.lag >= SharedHistogram.count)
        // A status has a first digit from 1 to 9.
        #expect(Counter.refusals - Counter.responses >= 10)
        #expect(Counter.disconnects - Counter.refusals >= Refusal.allCases.count)
        #expect(Counter.accepted - Counter.disconnects >= DisconnectPhase.allCases.count)
        #expect(Counter.parked - Counter.connections >= ConnectionState.allCases.count)
        #expect(Counter.longestLag < SharedCounters.count)
    }
}
