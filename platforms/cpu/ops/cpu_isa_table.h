/*
 * The table of one instruction set. The including file sets CPU_TABLE, its name, and CPU_NAME, what
 * it is called in reports.
 */
const cpu_kernels CPU_TABLE = {
    .name = CPU_NAME,
    .dense = dense,
    .painn_message = painn_message,
    .painn_message_reverse = painn_message_reverse,
    .painn_norms = {painn_norms_spatial, painn_norms_channel},
    .painn_update = {painn_update_spatial, painn_update_channel},
    .painn_reverse_y = {painn_reverse_y_spatial, painn_reverse_y_channel},
    .painn_reverse_update = {painn_reverse_spatial, painn_reverse_channel},
    .aimnet2_pairs = aimnet2_pairs,
    .aimnet2_conv = aimnet2_conv,
    .aimnet2_reverse_mix = aimnet2_reverse_mix,
    .aimnet2_reverse = aimnet2_reverse,
    .longrange_pairs = longrange_pairs,
    .longrange_count = longrange_count,
    .longrange_count_reverse = longrange_count_reverse,
};
