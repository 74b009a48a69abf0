import EvSettings
import Testing

@Suite struct CPUAffinityTests {
    @Test(
        arguments: [
            ("auto", .auto), ("AUTO", .auto), ("3", .processors([3])), ("0,2,4-6", .processors([0, 2, 4, 5, 6])),
            ("7-7, 1", .processors([7, 1])),
        ] as [(String, CPUAffinity)])
    func textIsRead(_ text: String, _ expected: CPUAffinity) throws {
        #expect(try CPUAffinity(parsing: text) == expected)
        #expect(try CPUAffinity(parsing: expected.text) == expected)
    }

    @Test(arguments: ["", ",", "1,", "a", "2-1", "-1", "1-", "1-2-3", "8192", "99999999999999999999", "0-8192"])
    func textThatMeansNothingIsAnError(_ text: String) {
        #expect(throws: ValueError.self) { try CPUAffinity(parsing: text) }
    }

    @Test func workersTakeTurns() {
        let numbers = (0..<5).map { CPUAffinity.auto.processor(ofWorker: $0, among: [1, 3]) }
        #expect(numbers == [1, 3, 1, 3, 1])
        #expect(CPUAffinity.processors([5]).processor(ofWorker: 3, among: [1, 3]) == 5)
        #expect(CPUAffinity.auto.processor(ofWorker: 3, among: []) == nil)
    }
}
