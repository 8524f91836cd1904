/**
 * Sweeps on Apache Spark: the cells of an experiment are tasks of a Spark job, and the driver
 * writes what they give into one store.
 */
package io.autocircuit.spark;
