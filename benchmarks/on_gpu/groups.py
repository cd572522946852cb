"""What a kernel does, by its name: those of CUDA's libraries, of torch, of Triton, and torch's own operations on a CPU."""

from __future__ import annotations

import re

GROUPS: tuple[tuple[str, str], ...] = (
    ("memset", r"(?i:^memset)|FillFunctor|\bfill_|\bzero_|::zeros|::ones|::full"),
    ("copy of memory", r"(?i:^memcpy)"),
    ("fused by Triton: reductions", r"^triton_(red|per)"),
    ("fused by Triton: element by element", r"^triton_"),
    ("talk between devices", r"(?i:nccl|all_reduce|wait_tensor)"),
    ("layout and types", r"copy_kernel|CopyFunctor|direct_copy|nchwToNhwc|nhwcToNchw|nhwcAddPadding|transpose|permute|"
                         r"CatArray|::(cat|copy_|clone|_to_copy|stack|contiguous)$"),
    ("optimiser and averages", r"multi_tensor_apply|(?i:fused_?adam)|_foreach_|lerp"),
    ("batch norm", r"batch_norm|batchnorm|bn_fw|bn_bw|bnorm|BatchNorm|norm_backward"),
    ("convolution, other", r"ImplicitGemmConvolution|4conv6kernel"),
    ("convolution, gradient of weights", r"wgrad|convolve_backward_weight"),
    ("convolution, gradient of input", r"dgrad|bgrad|convolve_backward_data"),
    ("convolution, both gradients", r"convolution_backward"),
    ("convolution, forward", r"fprop|conv2d|conv_depthwise|implicit_convolve|winograd|mkldnn_convolution|::_?convolution$"),
    ("matrix product", r"gemm|gemv|nvjet|cublas|splitK|matmul|::(mm|bmm|addmm|addmv|mv|dot|_addmm_activation)$|linear"),
    ("convolution, other", r"cudnn|conv"),
    ("random numbers", r"distribution_|random|philox|::(uniform_|normal_|randint|bernoulli)"),
    ("choice of rows", r"index|gather|scatter|embedding"),
    ("reduction", r"reduce|reduction|::(sum|mean|max|amax|var|norm|linalg_vector_norm|cumsum)$"),
    ("element by element", r"elementwise|Functor|kernel_impl|threshold|relu|softplus|tanh|sigmoid|"
                           r"::(add|sub|rsub|mul|div|neg|rsqrt|sqrt|exp|log|reciprocal|where|clamp|clamp_min|square|pow|"
                           r"addcmul|addcdiv|abs|sign|le|lt|ge|gt|eq|maximum|minimum)_?$"),
    ("views and new tensors", r"::(empty|empty_like|empty_strided|new_empty|new_empty_strided|resize_|as_strided|view|slice|"
                              r"detach|expand|select|squeeze|unsqueeze|t|alias|_unsafe_view|split|chunk|to|reshape)$"),
)  # fmt: skip
"""The first pattern that is found in a name decides."""
OTHER = "other"
_PATTERNS = [(group, re.compile(pattern)) for group, pattern in GROUPS]


def group_of(name: str) -> str:
    """What a kernel, or an operation, of that name does."""
    return next((group for group, pattern in _PATTERNS if pattern.search(name)), OTHER)
