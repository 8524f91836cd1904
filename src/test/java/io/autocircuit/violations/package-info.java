/**
 * Classes that break a rule each, so that {@link io.autocircuit.ArchitectureTest} can show that the
 * rules notice. The layout repeats that of the library.
 */
package io.autocircuit.violations;
