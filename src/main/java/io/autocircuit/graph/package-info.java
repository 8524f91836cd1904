/**
 * The computation graph as plain values: sources, destinations and the edges between them.
 *
 * <p>A transformer writes into its residual stream from <em>sources</em> (the embedding, every
 * attention head, every MLP) and reads it at <em>destinations</em> (the query, key and value input
 * of every head, or one input per head; every MLP's input; the end of the stream). In the
 * <em>factorized</em> view every earlier source has its own edge to every later destination.
 * Nothing here knows tensors or models.
 *
 * <p>Edges are numbered in the <em>canonical order</em>: destination layer descending, destination
 * module name, head, source index, position. The number of an edge is its index in every mask and
 * score array, breaks ties, and is the order in which ACDC tests edges.
 */
package io.autocircuit.graph;
