# %% [markdown]
# # The demo taken apart

# %%
x = 1
