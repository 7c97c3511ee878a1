# %% [markdown]
# # A Switcher for my own agent

# %%
x = 1
