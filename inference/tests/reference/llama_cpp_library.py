"""Logits of llama.cpp through its C interface (ctypes), as declared in include/llama.h of the revision that the source package
of llama-cpp-python 0.3.36 carries."""
import ctypes as c

import numpy as np

F32, NO_FLASH = 0, 0


class ModelParams(c.Structure):
    _fields_ = [
        ("devices", c.c_void_p), ("tensor_buft_overrides", c.c_void_p), ("n_gpu_layers", c.c_int32), ("split_mode", c.c_int),
        ("load_mode", c.c_int), ("lazy_mode", c.c_int), ("main_gpu", c.c_int32), ("tensor_split", c.c_void_p),
        ("progress_callback", c.c_void_p), ("progress_callback_user_data", c.c_void_p), ("kv_overrides", c.c_void_p),
        ("vocab_only", c.c_bool), ("check_tensors", c.c_bool), ("use_extra_bufts", c.c_bool), ("no_host", c.c_bool),
        ("no_alloc", c.c_bool), ("load_mtp", c.c_bool),
    ]


class ContextParams(c.Structure):
    _fields_ = [
        *[(name, c.c_uint32) for name in (
            "n_ctx", "n_batch", "n_ubatch", "n_seq_max", "n_rs_seq", "n_outputs_max", "n_outputs_max_per_seq")],
        ("n_threads", c.c_int32), ("n_threads_batch", c.c_int32),
        *[(name, c.c_int) for name in ("ctx_type", "rope_scaling_type", "pooling_type", "attention_type", "flash_attn_type")],
        *[(name, c.c_float) for name in (
            "rope_freq_base", "rope_freq_scale", "yarn_ext_factor", "yarn_attn_factor", "yarn_beta_fast", "yarn_beta_slow")],
        ("yarn_orig_ctx", c.c_uint32), ("defrag_thold", c.c_float), ("cb_eval", c.c_void_p), ("cb_eval_user_data", c.c_void_p),
        ("type_k", c.c_int), ("type_v", c.c_int), ("abort_callback", c.c_void_p), ("abort_callback_data", c.c_void_p),
        *[(name, c.c_bool) for name in ("embeddings", "offload_kqv", "no_perf", "op_offload", "swa_full", "kv_unified")],
        ("samplers", c.c_void_p), ("n_samplers", c.c_size_t), ("ctx_other", c.c_void_p),
    ]


class Batch(c.Structure):
    _fields_ = [
        ("n_tokens", c.c_int32), ("token", c.POINTER(c.c_int32)), ("embd", c.POINTER(c.c_float)), ("pos", c.POINTER(c.c_int32)),
        ("n_seq_id", c.POINTER(c.c_int32)), ("seq_id", c.POINTER(c.POINTER(c.c_int32))), ("logits", c.POINTER(c.c_int8)),
    ]


LOG = c.CFUNCTYPE(None, c.c_int, c.c_char_p, c.c_void_p)


class Llama:
    def __init__(self, path):
        library = self.library = c.CDLL(str(path))
        for name, result, *arguments in (
            ("llama_model_default_params", ModelParams),
            ("llama_context_default_params", ContextParams),
            ("llama_model_load_from_file", c.c_void_p, c.c_char_p, ModelParams),
            ("llama_init_from_model", c.c_void_p, c.c_void_p, ContextParams),
            ("llama_model_get_vocab", c.c_void_p, c.c_void_p),
            ("llama_vocab_n_tokens", c.c_int32, c.c_void_p),
            ("llama_batch_init", Batch, c.c_int32, c.c_int32, c.c_int32),
            ("llama_batch_free", None, Batch),
            ("llama_decode", c.c_int32, c.c_void_p, Batch),
            ("llama_get_logits_ith", c.POINTER(c.c_float), c.c_void_p, c.c_int32),
            ("llama_free", None, c.c_void_p),
            ("llama_model_free", None, c.c_void_p),
            ("llama_log_set", None, LOG, c.c_void_p),
            ("llama_backend_init", None),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        # Only errors are worth a line; level 4 is ggml's error.
        self.log = LOG(lambda level, line, _: print(line.decode(errors="replace"), end="") if level == 4 else None)
        library.llama_log_set(self.log, None)
        library.llama_backend_init()
        context = library.llama_context_default_params()
        if (context.n_batch, context.n_ubatch, context.rope_scaling_type, context.type_k) != (2048, 512, -1, 1):
            raise SystemExit(f"error: {path} is of another revision: its defaults are not where they are expected")

    def logits(self, path, tokens, context_length, exact=False, threads=2):
        """Logits [tokens, vocab] of one prompt. `exact`: with a float cache, without flash attention and repacked weights."""
        library = self.library
        model_params = library.llama_model_default_params()
        model_params.n_gpu_layers = 0
        params = library.llama_context_default_params()
        params.n_ctx = context_length
        params.n_threads = params.n_threads_batch = threads
        if exact:
            model_params.use_extra_bufts = False
            params.type_k = params.type_v = F32
            params.flash_attn_type = NO_FLASH
        model = library.llama_model_load_from_file(str(path).encode(), model_params)
        if not model:
            raise SystemExit(f"error: llama.cpp does not load {path}")
        context = library.llama_init_from_model(model, params)
        vocab = library.llama_vocab_n_tokens(library.llama_model_get_vocab(model))
        batch = library.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for index, token in enumerate(tokens):
            batch.token[index], batch.pos[index], batch.n_seq_id[index], batch.logits[index] = token, index, 1, 1
            batch.seq_id[index][0] = 0
        if library.llama_decode(context, batch) != 0:
            raise SystemExit(f"error: llama.cpp does not run {path}")
        found = np.array([np.ctypeslib.as_array(library.llama_get_logits_ith(context, index), (vocab,)) for index in range(len(tokens))])
        library.llama_batch_free(batch)
        library.llama_free(context)
        library.llama_model_free(model)
        return found
