// Prints what libllama would allocate, in bytes: one line of JSON for each line of settings.
//
// It loads the libraries of any build from a folder and needs no header of that build: the two
// parameter structs are opaque blocks in which the caller (abi.py) names offset, width and value
// of each field. Both are passed by value as the last argument and returned through memory, so a
// block that is larger than the build's own struct is harmless.
//
//   breakdown LIBS serve HOST:PORT               an RPC device for the others, until killed
//   breakdown LIBS measure D O S [HOST:PORT …]   D O S: offsets of devices, tensor_buft_overrides
//                                                and tensor_split in llama_model_params
//
// A line on stdin has seven fields between tabs: what is asked ("memory"; "graph": with it, the graph
// that the allocator got; "tensors": what the loader creates for a file that has only metadata), file,
// number of devices, tensor split ("1,1"), patterns that stay on the CPU (between spaces), model
// fields, context fields ("0:4:512,…").

#include "graph_recorder.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

struct Params { alignas(16) unsigned char bytes[1024]; };
struct Override { const char * pattern; void * buffer_type; };
struct Bytes { size_t model, context, compute; };
using Breakdown = std::map<void *, Bytes>;

static std::vector<void *> libraries;
static std::string log_text;

template <typename F> static F symbol(const char * name, bool required = true) {
    for (void * library : libraries) {
        if (void * found = dlsym(library, name)) return reinterpret_cast<F>(found);
    }
    if (required) { fprintf(stderr, "no symbol %s\n", name); exit(2); }
    return nullptr;
}

static void load(const std::string & folder) {
    for (const char * name : {"/libggml-base.so", "/libggml-cpu.so", "/libggml-rpc.so", "/libggml.so", "/libllama.so"}) {
        void * library = dlopen((folder + name + ".0").c_str(), RTLD_NOW | RTLD_GLOBAL);
        if (!library) library = dlopen((folder + name).c_str(), RTLD_NOW | RTLD_GLOBAL);
        // Wheels before b11327 have no RPC backend.
        if (!library && strstr(name, "rpc")) continue;
        if (!library) { fprintf(stderr, "%s\n", dlerror()); exit(2); }
        libraries.push_back(library);
    }
}

// Errors of the libraries, for the reason of a refusal (ggml's levels: 3 warning, 4 error).
static void keep_log(int level, const char * text, void *) {
    if (level == 4) log_text += text;
}

static std::string quoted(const std::string & text) {
    std::string out = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') { out += '\\'; out += c; }
        else if (c == '\n') out += "\\n";
        else if (static_cast<unsigned char>(c) < 32) out += ' ';
        else out += c;
    }
    return out + "\"";
}

static std::vector<std::string> split(const std::string & text, char at) {
    std::vector<std::string> out;
    std::stringstream stream(text);
    for (std::string word; std::getline(stream, word, at);) out.push_back(word);
    return out;
}

static void put(Params & params, const std::string & fields) {
    for (const std::string & field : split(fields, ',')) {
        long offset = 0, width = 0; long long value = 0;
        sscanf(field.c_str(), "%ld:%ld:%lld", &offset, &width, &value);
        memcpy(params.bytes + offset, &value, width);
    }
}

static void * rpc_function(const char * name) {
    void * registry = symbol<void * (*)(const char *)>("ggml_backend_reg_by_name")("RPC");
    return symbol<void * (*)(void *, const char *)>("ggml_backend_reg_get_proc_address")(registry, name);
}

static int serve(const char * endpoint) {
    auto by_type = symbol<void * (*)(int)>("ggml_backend_dev_by_type");
    void * cpu = by_type(0);
    auto start = reinterpret_cast<void (*)(const char *, const char *, size_t, size_t, void **)>(
        rpc_function("ggml_backend_rpc_start_server"));
    start(endpoint, nullptr, 1, 1, &cpu);
    return 1;
}

static std::vector<void *> connect(int count, char ** endpoints) {
    std::vector<void *> devices;
    auto add = reinterpret_cast<void * (*)(const char *)>(count ? rpc_function("ggml_backend_rpc_add_server") : nullptr);
    for (int i = 0; i < count; ++i) {
        void * registry = add(endpoints[i]);
        if (!registry) { fprintf(stderr, "no RPC server at %s\n", endpoints[i]); exit(2); }
        symbol<void (*)(void *)>("ggml_backend_register")(registry);
        const size_t lent = symbol<size_t (*)(void *)>("ggml_backend_reg_dev_count")(registry);
        for (size_t at = 0; at < lent; ++at) {
            devices.push_back(symbol<void * (*)(void *, size_t)>("ggml_backend_reg_dev_get")(registry, at));
        }
    }
    return devices;
}

// The head of ggml_tensor: type, buffer, then the four extents.
struct TensorHead { int type; void * buffer; int64_t extent[4]; };

static std::string tensors(const char * path, const std::string & fields) {
    struct { bool no_alloc; void ** context; } how = {true, nullptr};
    void * metadata = symbol<void * (*)(const char *, decltype(how))>("gguf_init_from_file")(path, how);
    if (!metadata) return "{\"refused\": \"no GGUF\"}";
    Params params = symbol<Params (*)()>("llama_model_default_params")();
    put(params, fields);
    using Fill = void (*)(void *, void *);
    Fill nothing = [](void *, void *) {};
    void * model = symbol<void * (*)(void *, Fill, void *, Params)>("llama_model_init_from_user")(metadata, nothing, nullptr, params);
    symbol<void (*)(void *)>("gguf_free")(metadata);
    if (!model) return "{\"refused\": " + quoted(log_text) + "}";
    using Map = std::vector<std::pair<std::string, TensorHead *>>;
    const Map & map = *symbol<const Map * (*)(void *)>("_Z29llama_internal_get_tensor_mapB5cxx11PK11llama_model")(model);
    std::ostringstream out;
    out << "{\"tensors\": [";
    for (size_t i = 0; i < map.size(); ++i) {
        out << (i ? ", [" : "[") << quoted(map[i].first);
        for (int64_t extent : map[i].second->extent) out << ", " << extent;
        out << "]";
    }
    symbol<void (*)(void *)>("llama_model_free")(model);
    return out.str() + "]}";
}

struct Measure {
    size_t devices_at, overrides_at, split_at;
    std::vector<void *> all_devices;
    void * model = nullptr;
    std::string loaded;
    // What the model parameters point at while the model is loaded.
    std::vector<void *> devices;
    std::vector<float> shares;
    std::vector<std::string> patterns;
    std::vector<Override> overrides;

    bool load_model(const std::vector<std::string> & field) {
        std::string wanted;
        for (int i = 0; i < 5; ++i) wanted += field[i] + "\t";
        if (wanted == loaded) return model != nullptr;
        if (model) symbol<void (*)(void *)>("llama_model_free")(model);
        loaded = wanted;
        Params params = symbol<Params (*)()>("llama_model_default_params")();
        put(params, field[4]);
        point_at(params, field);
        model = symbol<void * (*)(const char *, Params)>("llama_model_load_from_file")(field[0].c_str(), params);
        return model != nullptr;
    }

    void point_at(Params & params, const std::vector<std::string> & field) {
        devices.assign(all_devices.begin(), all_devices.begin() + std::stoi(field[1]));
        devices.push_back(nullptr);
        shares.assign(128, 0.0f);
        size_t n = 0;
        for (const std::string & share : split(field[2], ',')) shares[n++] = std::stof(share);
        patterns = split(field[3], ' ');
        overrides.clear();
        void * cpu = symbol<void * (*)()>("ggml_backend_cpu_buffer_type")();
        for (const std::string & pattern : patterns) overrides.push_back({pattern.c_str(), cpu});
        overrides.push_back({nullptr, nullptr});
        set(params, devices_at, devices.data());
        if (n) set(params, split_at, shares.data());
        if (overrides.size() > 1) set(params, overrides_at, overrides.data());
    }

    static void set(Params & params, size_t offset, const void * pointer) {
        memcpy(params.bytes + offset, &pointer, sizeof pointer);
    }

    std::string answer(const std::string & line) {
        std::vector<std::string> field = split(line, '\t');
        const std::string asked = field[0];
        field.erase(field.begin());
        field.resize(6);
        log_text.clear();
        if (asked == "tensors") return tensors(field[0].c_str(), no_devices(field[4]));
        recorder::wanted = asked == "graph";
        recorder::backends = std::stoi(field[1]) + 1;
        recorder::text = "null";
        if (!load_model(field)) { loaded.clear(); return "{\"refused\": " + quoted(log_text) + "}"; }
        Params params = symbol<Params (*)()>("llama_context_default_params")();
        put(params, field[5]);
        void * context = symbol<void * (*)(void *, Params)>("llama_init_from_model")(model, params);
        if (!context) return "{\"refused\": " + quoted(log_text) + "}";
        std::string out = report(context);
        symbol<void (*)(void *)>("llama_free")(context);
        return out;
    }

    // A list of devices that ends at once: RPC devices of this process take no part.
    std::string no_devices(const std::string & fields) const {
        static void * end = nullptr;
        return fields + "," + std::to_string(devices_at) + ":8:" + std::to_string(reinterpret_cast<long long>(&end));
    }

    std::string report(void * context) const {
        // C++ symbol: llama_get_memory_breakdown(llama_context const *)
        auto get = symbol<Breakdown (*)(void *)>("_Z26llama_get_memory_breakdownPK13llama_context", false);
        if (!get) get = symbol<Breakdown (*)(void *)>("llama_get_memory_breakdown");
        auto is_host = symbol<bool (*)(void *)>("ggml_backend_buft_is_host");
        auto device_of = symbol<void * (*)(void *)>("ggml_backend_buft_get_device");
        std::vector<Bytes> sums(devices.size(), Bytes{0, 0, 0});  // the last one is the host
        for (const auto & [type, bytes] : get(context)) {
            size_t at = devices.size() - 1;
            for (size_t i = 0; !is_host(type) && i + 1 < devices.size(); ++i) {
                if (device_of(type) == devices[i]) at = i;
            }
            sums[at].model += bytes.model;
            sums[at].context += bytes.context;
            sums[at].compute += bytes.compute;
        }
        auto n_ctx = symbol<uint32_t (*)(void *)>("llama_n_ctx")(context);
        auto n_ctx_seq = symbol<uint32_t (*)(void *)>("llama_n_ctx_seq")(context);
        std::ostringstream out;
        out << "{\"n_ctx\": " << n_ctx << ", \"n_ctx_seq\": " << n_ctx_seq << ", \"memory\": [";
        for (size_t i = 0; i < sums.size(); ++i) {
            const Bytes & b = sums[(i + sums.size() - 1) % sums.size()];  // host first
            out << (i ? ", [" : "[") << b.model << ", " << b.context << ", " << b.compute << "]";
        }
        out << "]";
        if (recorder::wanted) out << ", \"graph\": " << recorder::text;
        return out.str() + "}";
    }
};

int main(int argc, char ** argv) {
    if (argc < 4) { fprintf(stderr, "usage: breakdown LIBS serve HOST:PORT | LIBS measure D O S [HOST:PORT …]\n"); return 2; }
    load(argv[1]);
    symbol<void (*)(void (*)(int, const char *, void *), void *)>("llama_log_set")(keep_log, nullptr);
    symbol<void (*)()>("llama_backend_init")();
    if (!strcmp(argv[2], "serve")) return serve(argv[3]);
    recorder::real = symbol<recorder::Reserve>("ggml_gallocr_reserve_n_size");
    recorder::op_name = symbol<const char * (*)(int)>("ggml_op_name");
    recorder::type_name = symbol<const char * (*)(int)>("ggml_type_name");
    recorder::byte_count = symbol<size_t (*)(const recorder::Tensor *)>("ggml_nbytes");
    recorder::quote = quoted;
    Measure measure{};
    measure.devices_at = std::stoul(argv[3]);
    measure.overrides_at = std::stoul(argv[4]);
    measure.split_at = std::stoul(argv[5]);
    measure.all_devices = connect(argc - 6, argv + 6);
    // The libraries print to stdout too: answers get a stream of their own.
    FILE * answers = fdopen(dup(1), "w");
    dup2(2, 1);
    for (std::string line; std::getline(std::cin, line);) {
        fprintf(answers, "%s\n", measure.answer(line).c_str());
        fflush(answers);
    }
    return 0;
}
