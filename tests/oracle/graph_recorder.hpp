// Takes down the graph that the scheduler hands to the allocator: split, with the copies of inputs in their places.
//
// ggml calls ggml_gallocr_reserve_n_size through the dynamic linker, which finds the one below first: the
// program exports it (-rdynamic). What is read of ggml's structs has lain so in every build from b9464 to b11739.

#pragma once

#include <cstdint>
#include <sstream>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace recorder {

// The heads of ggml_tensor and ggml_cgraph.
struct Tensor {
    int type;
    void * buffer;
    int64_t extent[4];
    size_t stride[4];
    int op;
    int32_t op_params[16];
    int32_t flags;
    Tensor * source[10];
    Tensor * view_of;
    size_t view_offset;
    void * data;
    char name[64];
};

struct Graph {
    int size, n_nodes, n_leafs;
    Tensor ** nodes, ** grads, ** grad_accs, ** leafs;
};

using Reserve = void (*)(void *, Graph *, const int *, const int *, size_t *);

inline bool wanted = false;
inline Reserve real = nullptr;
inline const char * (*op_name)(int) = nullptr;
inline const char * (*type_name)(int) = nullptr;
inline size_t (*byte_count)(const Tensor *) = nullptr;
inline std::string (*quote)(const std::string &) = nullptr;
inline int backends = 0;
inline std::string text;

// One tensor: name, operation, type, extents, bytes, flags, backend (-1: of another graph's or a model's buffer),
// sources and what it is a view of, as places in the list (-1: none), strides.
inline void put(std::ostringstream & out, const Tensor * t, int backend, std::unordered_map<const Tensor *, int> & places) {
    auto place = [&](const Tensor * other) { return other && places.count(other) ? places[other] : -1; };
    out << "[" << quote(t->name) << ", \"" << op_name(t->op) << "\", \"" << type_name(t->type) << "\", [";
    for (int i = 0; i < 4; ++i) out << (i ? ", " : "") << t->extent[i];
    const bool elsewhere = t->buffer || t->data;
    out << "], " << byte_count(t) << ", " << t->flags << ", " << (elsewhere ? -1 : backend) << ", [";
    bool first = true;
    for (const Tensor * source : t->source) {
        if (!source) continue;
        out << (first ? "" : ", ") << place(source);
        first = false;
    }
    out << "], " << place(t->view_of) << ", [";
    for (int i = 0; i < 4; ++i) out << (i ? ", " : "") << t->stride[i];
    out << "]]";
}

// A tensor may stand in both lists, or twice: it is told once, and the lists name its place.
inline void take_down(const Graph * graph, const int * node_ids, const int * leaf_ids, const size_t * sizes) {
    std::unordered_map<const Tensor *, int> places;
    std::vector<std::pair<const Tensor *, int>> unique;
    std::ostringstream out, lists;
    auto list = [&](Tensor ** tensors, int count, const int * backend) {
        lists << "[";
        for (int i = 0; i < count; ++i) {
            if (places.emplace(tensors[i], (int) places.size()).second) unique.emplace_back(tensors[i], backend[i]);
            lists << (i ? ", " : "") << places[tensors[i]];
        }
        lists << "]";
    };
    lists << "\"leafs\": "; list(graph->leafs, graph->n_leafs, leaf_ids);
    lists << ", \"nodes\": "; list(graph->nodes, graph->n_nodes, node_ids);
    out << "{\"arenas\": [";
    for (int i = 0; i < backends; ++i) out << (i ? ", " : "") << sizes[i];
    out << "], " << lists.str() << ", \"tensors\": [";
    for (size_t i = 0; i < unique.size(); ++i) { out << (i ? ", " : ""); put(out, unique[i].first, unique[i].second, places); }
    text = out.str() + "]}";
}

}  // namespace recorder

extern "C" __attribute__((visibility("default"))) void ggml_gallocr_reserve_n_size(
        void * allocator, recorder::Graph * graph, const int * node_ids, const int * leaf_ids, size_t * sizes) {
    recorder::real(allocator, graph, node_ids, leaf_ids, sizes);
    if (recorder::wanted) recorder::take_down(graph, node_ids, leaf_ids, sizes);
}
