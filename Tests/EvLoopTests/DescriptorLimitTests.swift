import Glibc
import Testing

@testable import EvLoop

@Suite struct DescriptorLimitTests {
    @Test("the soft limit is raised as far as the hard one, and never lowered")
    func raising() {
        let before = DescriptorLimit.current
        DescriptorLimit.raise(to: before.soft - 1)
        #expect(DescriptorLimit.current == before)
        DescriptorLimit.raise(to: .max)
        #expect(DescriptorLimit.current == DescriptorLimit(soft: before.hard, hard: before.hard))
    }
}
